"""Takes from the orchestrator's machine what it needs to measure: processors, or a fast port of its own.

By hand, for any orchestrator on this machine: `python -m tests.rack.starve --loops 24 --seconds 60`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any

from runs.machine import Event
from tests.rack import cable
from tests.rack.machinefile import Shortage
from tests.rack.netns import BRIDGE, Namespace

# The kernel shares time by session (sched_autogroup), so each loop has one of its own.
LOOP = ("sh", "-c", "while :; do :; done")
STARVED = "Network"


class Loops:
    """Busy loops, inside the namespace where there is one: a rack that was killed leaves none."""

    def __init__(self, number: int, namespace: Namespace | None = None) -> None:
        self._number = number
        self._command = namespace.enter_command(LOOP) if namespace else list(LOOP)
        self._running: list[subprocess.Popen[bytes]] = []

    @property
    def are_running(self) -> bool:
        return bool(self._running)

    def start(self) -> None:
        self._running = [subprocess.Popen(self._command, start_new_session=True) for _ in range(self._number)]

    def stop(self) -> None:
        for process in self._running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        for process in self._running:
            process.wait()
        self._running = []


def narrow_port(namespace: Namespace, mbit: int) -> None:
    """What the orchestrator sends by its own port; what machines send to each other is not held back."""
    namespace.tc("qdisc", "add", "dev", BRIDGE, "root", "tbf", "rate", f"{mbit}mbit",
                 "burst", str(cable.BURST_BYTES), "latency", "50ms")  # fmt: skip


def is_due(shortage: Shortage, events: Iterable[Mapping[str, Any]]) -> bool:
    """Whether the loops are to run now, by what has happened in the run.

    `run`: from the start. `Network`: from when Network may start until the run has left it. `measurement`: until the
    first attempt is over, so that the next one finds a calm bench.
    """
    if shortage.during == "run":
        return True
    told = list(events)
    may_start = any(event["kind"] == "go" and event["after"] == STARVED for event in told)
    has_left = any(event["before"] == STARVED != event["after"] for event in told)
    goes_again = any(event["kind"] == Event.BENCH_UNFIT for event in told)
    return may_start and not has_left and not (goes_again and shortage.during == "measurement")


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.rack.starve", description="Keeps this machine busy.")
    parser.add_argument("--loops", type=int, default=24, help="busy loops, each in a session of its own")
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args(words)
    loops = Loops(options.loops)
    try:
        loops.start()
        time.sleep(options.seconds)
    except KeyboardInterrupt:
        pass
    finally:
        loops.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
