"""One thread for each chip whose reading may wait, so that a drive or module that does not answer delays no other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from agent.sensors.chip import Chip

# The kernel itself waits 10 s for a drive's answer, and asks again.
SILENT_S = 30.0


class ChipWatch:
    """Calls `look` with the chip every `interval_s`, in a thread of its own. Ends by itself when the chip is gone."""

    def __init__(self, path: Path, look: Callable[[Chip], None], interval_s: float, over: threading.Event) -> None:
        self._path, self._look, self._interval_s, self._over = path, look, interval_s, over
        self._name, self._asked_s, self._is_reported = path.name, 0.0, False
        self._thread = threading.Thread(target=self._run, name=f"sensors-{path.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def join(self, timeout_s: float) -> None:
        if self.is_alive:
            self._thread.join(timeout_s)

    def silence(self) -> str:
        """What to tell once a reading takes too long: once for each chip, then empty."""
        asked_s = self._asked_s
        if self._is_reported or not asked_s or time.monotonic() - asked_s < SILENT_S:
            return ""
        self._is_reported = True
        return f"{self._name}: its sensor has not answered for {SILENT_S:.0f} s, so its temperature is not watched"

    def _run(self) -> None:
        while not self._over.is_set():
            chip = Chip(self._path)
            self._asked_s = time.monotonic()
            self._name = f"{chip.driver} {chip.part('').name}"
            self._look(chip)
            self._asked_s = 0.0
            if not chip.files:
                return
            self._over.wait(self._interval_s)
