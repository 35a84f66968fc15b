"""The controller's watchdog timer (IPMI 2.0, chapter 27): Reset, Set and Get Watchdog Timer, and what happens when it
runs out."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Callable

USES = {"BIOS FRB2": 1, "BIOS/POST": 2, "OS Load": 3, "SMS/OS": 4, "OEM": 5}
ACTIONS = {"No action": 0, "Hard Reset": 1, "Power Down": 2, "Power Cycle": 3}
NEVER_SET = 0x80
_RUNNING, _DO_NOT_STOP, _USE = 0x40, 0x40, 0x07
_WATCHDOG_2, _SENSOR_SPECIFIC = 0x23, 0x6F


class Watchdog:
    """`now_s` counts seconds. `run_out` is called with the action once the time is over, in a thread of its own."""

    def __init__(self, run_out: Callable[[int], None], now_s: Callable[[], float] = time.monotonic) -> None:
        self._run_out, self._now_s = run_out, now_s
        self._use, self._action, self._pre_s, self._flags, self._count = 0, 0, 0, 0, 0
        self._was_set = False
        self._until_s: float | None = None
        self._timer: threading.Timer | None = None

    def set(self, data: bytes) -> None:
        use, action, self._pre_s, clear, count = struct.unpack("<BBBBH", data[:6])
        self._use, self._action, self._count, self._was_set = use & ~_RUNNING, action, count, True
        self._flags &= ~clear
        if use & _DO_NOT_STOP and self._until_s is not None:
            self.start()
        else:
            self.halt()

    def start(self) -> bool:
        """Count down from the beginning. False if nobody has set the timer."""
        self.halt()
        if self._was_set:
            self._until_s = self._now_s() + self._count / 10
            self._timer = threading.Timer(self._count / 10, self._over)
            self._timer.daemon = True
            self._timer.start()
        return self._was_set

    def halt(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._until_s = None

    def get(self) -> bytes:
        left = 0 if self._until_s is None else max(0, round((self._until_s - self._now_s()) * 10))
        use = self._use | (0 if self._until_s is None else _RUNNING)
        return struct.pack("<BBBBHH", use, self._action, self._pre_s, self._flags, self._count, left)

    def entry(self, record_id: int, at: int) -> bytes:
        """What the event log says of the last action (table 42-3, 23h)."""
        offset = self._action & 0x07
        data = (_WATCHDOG_2, 0x03, _SENSOR_SPECIFIC, 0xC0 | offset, self._use & _USE, 0xFF)
        return struct.pack("<HBIHB6B", record_id, 0x02, at, 0x20, 0x04, *data)

    def _over(self) -> None:
        self._until_s = None
        self._flags |= 1 << (self._use & _USE)
        self._run_out(self._action & 0x07)
