"""How much each one may hold at once, and all of them together: connections, event streams, bytes. When somebody has
reached a limit, the log says so, once a minute."""

from __future__ import annotations

import logging
import time

SAY_AGAIN_AFTER_S = 60.0
_REMEMBERED = 1000

log = logging.getLogger("vetting.limits")


class OnceAMinute:
    """Warnings about what a stranger can make happen as often as he likes: once a minute for each `who`."""

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
    """For one thread (an event loop's). `what` is what is counted, `setting` where its limit stands."""

    def __init__(self, what: str, each: int, total: int, setting: str) -> None:
        self.what, self.each, self.total, self.setting = what, each, total, setting
        self.held: dict[str, int] = {}
        self.all = 0
        self._told = OnceAMinute()

    def take(self, who: str, count: int = 1) -> bool:
        """Whether `who` may have `count` more; has them from then on."""
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
