"""The logins that have an event stream open, and whether they are still allowed to. A stream lasts longer than a
request, so this is read again before a rendered page is sent."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib import auth
from django.contrib.auth.models import Permission, User
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.core import signing
from django.db import DatabaseError
from django.db.models import Q
from django.http import HttpRequest, parse_cookie

from runs.database.renewal import renew_connection
from runs.desk import readers
from runs.desk.access import SEE, WORDS
from runs.desk.readers import Permissions

log = logging.getLogger("vetting.live")


@dataclass(frozen=True, slots=True)
class Login:
    """A session of a user who may see the pages, as it was when the stream was opened. `password` stands for the
    password: another one ends the session."""

    user: int
    name: str
    permissions: Permissions
    password: str
    expires_at: float


def of_cookies(header: str) -> Login | None:
    """The login of a request with these cookies. None if there is none, or its user may not see the pages. Makes a
    query."""
    cookie = parse_cookie(header).get(settings.SESSION_COOKIE_NAME, "")
    request = HttpRequest()
    request.session = SessionStore(cookie)
    return of_user(auth.get_user(request), _expires_at(cookie))


def of_user(user: Any, expires_at: float) -> Login | None:
    """None if the user may not see the pages."""
    held = _shared(readers.permissions(user))
    if not user.is_staff or not held.issuperset(SEE):
        return None
    return Login(user.pk, user.get_username(), held, user.get_session_auth_hash(), expires_at)


def _expires_at(cookie: str) -> float:
    """Seconds since the epoch. Django signs a session's cookie together with its time."""
    try:
        return signing.b62_decode(cookie.rsplit(":", 2)[-2]) + settings.SESSION_COOKIE_AGE
    except (IndexError, ValueError):
        return 0.0


_sets: dict[Permissions, Permissions] = {}


def _shared(held: Permissions) -> Permissions:
    """One object for all equal sets: otherwise a thousand streams would hold a thousand of them."""
    return _sets.setdefault(held, held)


def gone(logins: Iterable[Login], now: float) -> set[Login]:
    """The logins that are over: the session is too old, the account has another password or other permissions, or it
    may not see the pages any more. Three queries at most, for any number of logins."""
    logins = set(logins)
    accounts = _accounts({login.user for login in logins})
    return {login for login in logins if now >= login.expires_at or not _same(login, accounts.get(login.user))}


def over(logins: Iterable[Login]) -> set[Login]:
    """The logins that are over now. If the database does not answer, only those whose session is too old."""
    logins, now = set(logins), time.time()
    try:
        renew_connection()
        return gone(logins, now)
    except DatabaseError as error:
        log.warning("live pages: the accounts can't be read (%s), next try in a while", error)
        return {login for login in logins if now >= login.expires_at}


def _same(login: Login, now: Login | None) -> bool:
    return now is not None and (login.permissions, login.password) == (now.permissions, now.password)


def _accounts(ids: set[int]) -> dict[int, Login]:
    """The present permissions of all these accounts, with the same rules as Django's ModelBackend."""
    users = list(User.objects.filter(pk__in=ids, is_active=True, is_staff=True))
    plain = [user.pk for user in users if not user.is_superuser]
    given = _given(plain) if plain else {}
    found = {}
    for user in users:
        held = frozenset(WORDS) if user.is_superuser else _shared(frozenset(given.get(user.pk, ())))
        if held.issuperset(SEE):
            found[user.pk] = Login(user.pk, user.get_username(), held, user.get_session_auth_hash(), 0.0)
    return found


def _given(ids: list[int]) -> dict[int, set[str]]:
    ours = Q()
    for name in WORDS:
        app, _, codename = name.partition(".")
        ours |= Q(content_type__app_label=app, codename=codename)
    by_user: dict[int, set[str]] = {}
    for path in ("user", "group__user"):
        rows = Permission.objects.filter(ours, **{f"{path}__in": ids}).order_by()
        for user, app, codename in rows.values_list(path, "content_type__app_label", "codename"):
            by_user.setdefault(user, set()).add(f"{app}.{codename}")
    return by_user
