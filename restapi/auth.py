"""Who calls: a bearer token, its account, and how often it may call."""

from __future__ import annotations

import math

from django.http import HttpRequest
from ninja.security import HttpBearer

from hosts import access
from restapi import tokens
from restapi.models import ApiToken
from restapi.problems import Problem
from restapi.scopes import Scope
from runs.bench.allowance import OnceAMinute, Pace
from runs.desk.access import WORDS

# Calls at once, then one every so many seconds. Nobody guesses a token of 256 bits: the second line bounds the work.
OF_TOKEN = Pace(100, 0.1)
OF_STRANGER = Pace(30, 1.0)
_told = OnceAMinute()


class Token(HttpBearer):
    """A token of an account: made under "API tokens" in the administration, or by the command `api_token`."""

    def authenticate(self, request: HttpRequest, token: str) -> ApiToken:
        found = tokens.find(token)
        if found is None:
            raise _unknown(request.META.get("REMOTE_ADDR", ""))
        if found.is_expired:
            raise Problem(401, f"token {found.name} has expired", "make another token")
        if not found.user.is_active:
            raise Problem(401, f"the account of token {found.name} is closed", "use a token of another account")
        if wait_s := OF_TOKEN.take(str(found.pk)):
            raise _too_often(f"token {found.name} of {found.user.get_username()}", wait_s)
        tokens.note_use(found)
        request.user = found.user
        return found


def _unknown(address: str) -> Problem:
    if wait_s := OF_STRANGER.take(address):
        return _too_often(address, wait_s)
    return Problem(401, "this token is unknown, or was revoked", "make another token")


def _too_often(who: str, wait_s: float) -> Problem:
    _told.warn(who, f"{who} calls the REST API too often: answered 429")
    return Problem(429, "too many calls", retry_after_s=math.ceil(wait_s))


def require(request: HttpRequest, scope: Scope) -> ApiToken:
    """The token, if it has this scope and its account the permissions. Raises Problem, or PermissionDenied."""
    token: ApiToken = request.auth  # type: ignore[attr-defined]  # django-ninja sets it to what `authenticate` returned
    if scope.name not in token.scopes:
        raise Problem(403, f"token {token.name} has no scope {scope.name}", f"make a token with scope {scope.name}")
    access.require(request, scope.permissions, WORDS)
    return token


def who(token: ApiToken) -> str:
    """The account and its token, for the history."""
    return str(token)
