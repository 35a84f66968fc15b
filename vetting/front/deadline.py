"""A time limit for a connection, without a timer for each change of it.

Twisted sets a timer anew for each request, three times. To set one sooner it searches the list of all timers, and those
it cancels stay in the list: with a thousand hosts that took longer than to answer a heartbeat. Here one timer for each
connection looks every `LOOK_S` at the time, or earlier if the deadline is earlier.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# The shortest time limit of a connection, so that none passes between two looks.
LOOK_S = 10.0


class Deadline:
    """For a protocol with `timeOut`, `callLater`, `factory` and `timeoutConnection`, in place of Twisted's methods."""

    timeOut: Any
    callLater: Callable[..., Any]
    factory: Any
    timeoutConnection: Callable[[], None]
    _due: float | None = None
    _timer: Any = None

    def setTimeout(self, period: float | None) -> float | None:
        """The connection times out after so many seconds, or never. Returns the limit before."""
        before: float | None = self.timeOut
        self.timeOut = period
        self._due = None if period is None else self._now() + period
        if self._due is None or period is None:
            return before
        if self._timer is None:
            self._timer = self.callLater(min(period, LOOK_S), self._look)
        elif self._timer.getTime() > self._due:
            self._timer.reset(period)
        return before

    def resetTimeout(self) -> None:
        if self.timeOut is not None:
            self._due = self._now() + self.timeOut

    def forget_deadline(self) -> None:
        """The connection has ended."""
        self._due = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._due is None:
            return
        if (left_s := self._due - self._now()) > 0:
            self._timer = self.callLater(min(left_s, LOOK_S), self._look)
            return
        self._due = None
        self.timeoutConnection()

    def _now(self) -> float:
        seconds: float = self.factory.reactor.seconds()
        return seconds
