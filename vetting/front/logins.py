"""Limit attempts to guess a password. To check a password takes a quarter of a second of CPU time. So logins have one
thread of their own, few may wait for it, and each address has a limited number of attempts a minute."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

from hosts.command_line import command
from runs.bench.allowance import OnceAMinute, Pace
from vetting.front.answers import not_now

Application = Callable[[dict[str, Any], Any, Any], Awaitable[None]]

# The last one asks for the old password: at an unlocked browser, somebody could guess it there without limit.
PATHS = frozenset(("/login/", "/admin/login/", "/admin/password_change/"))
# Here an administrator sets a password: as much work as to check one, but nothing to guess.
_SET = re.compile(r"/admin/auth/user/(?:add/|.+/password/)")
# Attempts at once, then one every so many seconds. A successful attempt is not counted.
FROM_ONE, FROM_ONE_EVERY_S = 20, 3.0
FROM_ALL, FROM_ALL_EVERY_S = 60, 1.0


def is_attempt(scope: dict[str, Any]) -> bool:
    return _sends(scope) and scope["path"] in PATHS


def sets_password(scope: dict[str, Any]) -> bool:
    return _sends(scope) and _SET.fullmatch(scope["path"]) is not None


def _sends(scope: dict[str, Any]) -> bool:
    """Whether the request sends a form: showing one costs no more than any page."""
    return scope["method"] not in ("GET", "HEAD")


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
