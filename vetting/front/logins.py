"""Attempts to guess a password: to check one costs a quarter of a second of a processor, whoever sends it. So they have
one thread of their own, few may wait for it, and each address has so many attempts a minute."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

from runs.live.allowance import OnceAMinute
from vetting.front.answers import not_now

Application = Callable[[dict[str, Any], Any, Any], Awaitable[None]]

# The last asks for the old password: whoever finds a browser open could try there as many as he likes.
PATHS = frozenset(("/login/", "/admin/login/", "/admin/password_change/"))
# Here whoever may change accounts sets a password: as much work as to check one, and nothing to guess.
_SET = re.compile(r"/admin/auth/user/(?:add/|.+/password/)")
# At once, and then one every so many seconds. An attempt that succeeds is not counted.
FROM_ONE, FROM_ONE_EVERY_S = 20, 3.0
FROM_ALL, FROM_ALL_EVERY_S = 60, 1.0
_REMEMBERED = 10_000


def is_attempt(scope: dict[str, Any]) -> bool:
    return _sends(scope) and scope["path"] in PATHS


def sets_password(scope: dict[str, Any]) -> bool:
    return _sends(scope) and _SET.fullmatch(scope["path"]) is not None


def _sends(scope: dict[str, Any]) -> bool:
    """To show a form costs no more than another page."""
    return scope["method"] not in ("GET", "HEAD")


class Pace:
    """So many at once for each, and one more after every `every_s` seconds."""

    def __init__(self, at_once: int, every_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.at_once, self.every_s, self._clock = at_once, every_s, clock
        # When each will have all of its attempts again; a moment that has passed says nothing.
        self._full_at: dict[str, float] = {}

    def take(self, who: str) -> float:
        """0 where `who` may go on, which counts; else seconds until then."""
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
    """Before `application`, which checks the password."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self.each, self.all = Pace(FROM_ONE, FROM_ONE_EVERY_S), Pace(FROM_ALL, FROM_ALL_EVERY_S)
        self._told = OnceAMinute()

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        address = (scope.get("client") or ("",))[0]
        if wait_s := self._refused(address):
            page = not_now(scope["path"], _TOO_MANY, status=429, retry_after_s=int(wait_s) + 1)
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


_TOO_MANY = "too many attempts to log in; `vetting vet` on the server needs no login"
