"""How much of this machine we had: a campaign on a machine that others use is slower, and that breaks nothing."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

LOOK_EVERY_S = 0.1
STARVED_FROM = 3.0
_LOAD = Path("/proc/loadavg")


def crowd(text: str, cores: int) -> float:
    """How many want each core, from a line of /proc/loadavg; 1 where there are enough of them."""
    running = int(text.split()[3].partition("/")[0])
    return max(1.0, running / cores)


class Pace:
    """A clock that goes slower while more want to run than there are cores. `fair_s()`: what it says."""

    def __init__(self) -> None:
        self._fair_s, self._began = 0.0, time.monotonic()
        self._over = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def fair_s(self) -> float:
        return self._fair_s

    def shared_by(self) -> float:
        """How many times longer than alone everything took so far, about."""
        return max(1.0, (time.monotonic() - self._began) / max(self._fair_s, LOOK_EVERY_S))

    def stop(self) -> None:
        self._over.set()

    def _run(self) -> None:
        cores, last = len(os.sched_getaffinity(0)), time.monotonic()
        while not self._over.wait(LOOK_EVERY_S):
            now = time.monotonic()
            self._fair_s += (now - last) / crowd(_LOAD.read_text(), cores)
            last = now
