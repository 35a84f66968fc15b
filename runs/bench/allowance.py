"""Limits on what one caller, and all callers together, may hold at once: connections, event streams, bytes. If a limit
is reached, the log says so, once a minute."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

SAY_AGAIN_AFTER_S = 60.0
_REMEMBERED = 1000
_PACES_REMEMBERED = 10_000

log = logging.getLogger("vetting.limits")


class OnceAMinute:
    """Logs warnings that a stranger can cause as often as he likes: once a minute for each `who`."""

    def __init__(self) -> None:
        self._at: dict[str, float] = {}

    def warn(self, who: str, text: str) -> None:
        now = time.monotonic()
        if now - self._at.get(who, -SAY_AGAIN_AFTER_S) < SAY_AGAIN_AFTER_S:
            return
        if len(self._at) >= _REMEMBERED:
            self._at.clear()
        self._at[who] = now
        log.warning("%s", text)


class Allowance:
    """Counts what callers hold. Not thread-safe: for one event loop. `what` names what is counted, `setting` where the
    limit is set."""

    def __init__(self, what: str, each: int, total: int, setting: str) -> None:
        self.what, self.each, self.total, self.setting = what, each, total, setting
        self.held: dict[str, int] = {}
        self.all = 0
        self._told = OnceAMinute()

    def take(self, who: str, count: int = 1) -> bool:
        """Give `who` `count` more. False, and nothing given, if that is over a limit."""
        if self.held.get(who, 0) + count > self.each:
            self._warn(who, f"{who} has {self.held.get(who, 0)} {self.what}: no more than {self.each} at once from one")
            return False
        if self.all + count > self.total:
            self._warn("", f"{self.all} {self.what} in all: no more than {self.total} at once")
            return False
        self.held[who] = self.held.get(who, 0) + count
        self.all += count
        return True

    def give_back(self, who: str, count: int = 1) -> None:
        self.all -= count
        self.held[who] -= count
        if not self.held[who]:
            del self.held[who]

    def _warn(self, who: str, text: str) -> None:
        self._told.warn(who, f"{text} ({self.setting})")


class Pace:
    """Allow each client a number of attempts at once, and one more every `every_s` seconds."""

    def __init__(self, at_once: int, every_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.at_once, self.every_s, self._clock = at_once, every_s, clock
        # The time when each client has all its attempts again; a time in the past has no effect.
        self._full_at: dict[str, float] = {}
        self._lock = threading.Lock()

    def take(self, who: str) -> float:
        """Count an attempt of `who`: 0 if it is allowed, else the seconds until it is."""
        with self._lock:
            now = self._clock()
            full_at = max(now, self._full_at.get(who, now)) + self.every_s
            if (wait_s := full_at - now - self.at_once * self.every_s) > 0:
                return wait_s
            self._remember(who, full_at, now)
            return 0

    def give_back(self, who: str) -> None:
        with self._lock:
            if who in self._full_at:
                self._full_at[who] -= self.every_s

    def _remember(self, who: str, full_at: float, now: float) -> None:
        if len(self._full_at) >= _PACES_REMEMBERED:
            self._full_at = {one: at for one, at in self._full_at.items() if at > now}
        self._full_at[who] = full_at
