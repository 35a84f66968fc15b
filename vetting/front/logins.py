"""Limit attempts to guess a password. To check a password takes a quarter of a second of CPU time. So logins have one
thread of their own, few may wait for it, and each address has a limited number of attempts a minute."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

from hosts.command_line import command
from runs.bench.allowance import OnceAMinute
from vetting.front.answers import not_now

Application = Callable[[dict[str, Any], Any, Any], Awaitable[None]]

# The last one asks for the old password: at an unlocked browser, somebody could guess it there without limit.
PATHS = frozenset(("/login/", "/admin/login/", "/admin/password_change/"))
# Here an administrator sets a password: as much work as to check one, but nothing to guess.
_SET = re.compile(r"/admin/auth/user/(?:add/|.+/password/)")
# Attempts at once, then one every so many seconds. A successful attempt is not counted.
FROM_ONE, FROM_ONE_EVERY_S = 20, 3.0
FROM_ALL, FROM_ALL_EVERY_S = 60, 1.0
_REMEMBERED = 10_000


def is_attempt(scope: dict[str, Any]) -> bool:
    return _sends(scope) and scope["path"] in PATHS


def sets_password(scope: dict[str, Any]) -> bool:
    return _sends(scope) and _SET.fullmatch(scope["path"]) is not None


def _sends(scope: dict[str, Any]) -> bool:
    """Whether the request sends a form: showing one costs no more than any page."""
    return scope["method"] not in ("GET", "HEAD")


class Pace:
    """Allow each client a number of attempts at once, and one more every `every_s` seconds."""

    def __init__(self, at_once: int, every_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.at_once, self.every_s, self._clock = at_once, every_s, clock
        # The time when each client has all its attempts again; a time in the past has no effect.
        self._full_at: dict[str, float] = {}

    def take(self, who: str) -> float:
        """Count an attempt of `who`: 0 if it is allowed, else the seconds until it is."""
        now = self._clock()
        full_at = max(now, self._full_at.get(who, now)) + self.every_s
        if (wait_s := full_at - now - self.at_once * self.every_s) > 0:
            return wait_s
        self._remember(who, full_at, now)
        return 0

    def give_back(self, who: str) -> None:
        if who in self._full_at:
            self._full_at[who] -= self.every_s

    def _remember(self, who: str, full_at: float, now: float) -> None:
        if len(self._full_at) >= _REMEMBERED:
            self._full_at = {one: at for one, at in self._full_at.items() if at > now}
        self._full_at[who] = full_at


class Logins:
    """Limits requests to `application`, which checks the password."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self.each, self.all = Pace(FROM_ONE, FROM_ONE_EVERY_S), Pace(FROM_ALL, FROM_ALL_EVERY_S)
        self._told = OnceAMinute()

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        address = (scope.get("client") or ("",))[0]
        if wait_s := self._refused(address):
            page = not_now(scope["path"], _too_many(), status=429, retry_after_s=int(wait_s) + 1)
            return await page.send(send)

        async def noting(message: dict[str, Any]) -> None:
            if message.get("status") == 302:
                self.each.give_back(address)
                self.all.give_back("")
            await send(message)

        await self.application(scope, receive, noting)

    def _refused(self, address: str) -> float:
        if wait_s := self.each.take(address):
            self._told.warn(address, f"too many attempts to log in from {address}: answered 429")
        elif wait_s := self.all.take(""):
            self._told.warn("", "too many attempts to log in from all addresses together: answered 429")
        return wait_s


def _too_many() -> str:
    return f"too many attempts to log in; `{command('vet')}` on the server needs no login"
