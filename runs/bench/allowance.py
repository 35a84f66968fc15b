"""Limits on what one caller, and all callers together, may hold at once: connections, event streams, bytes. If a limit
is reached, the log says so, once a minute."""

from __future__ import annotations

import logging
import time

SAY_AGAIN_AFTER_S = 60.0
_REMEMBERED = 1000

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
