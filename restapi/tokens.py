"""Make, find and revoke API tokens. To delete a token is to revoke it."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone

from hosts.readable import readable
from restapi import scopes
from restapi.models import ApiToken

PREFIX = "vta_"
MOST_OF_ACCOUNT = 50
LONGEST_DAYS = 3650
_BEGINNING = 10
_USE_NOTED_EVERY = timedelta(minutes=1)


class TokenRefused(ValueError):
    """The token can't be made; the message says why."""


def make(user: Any, name: str, scope_names: Sequence[str], days: int | None = None) -> ApiToken:
    """Keep a new token of this account. Only the returned object has the token itself, in `secret`. It is valid for
    `days`, without them until it is revoked. Raises TokenRefused."""
    if why := why_not(user, name, scope_names, days):
        raise TokenRefused(why)
    row = ApiToken(user=user, name=name.strip(), scopes=list(dict.fromkeys(scope_names)))
    row.expires_at = timezone.now() + timedelta(days=days) if days else None
    row.secret = PREFIX + secrets.token_urlsafe(32)
    row.digest, row.begins = digest(row.secret), row.secret[:_BEGINNING]
    row.save()
    return row


def why_not(user: Any, name: str, scope_names: Sequence[str], days: int | None = None) -> str:
    """Why this token can't be made, in a sentence; empty if it can."""
    own = ApiToken.objects.filter(user=user)
    if not name.strip() or len(name) > 60 or name != readable(name):
        return "give the token a name of 1 to 60 visible characters"
    if own.filter(name=name.strip()).exists():
        return f"{user.get_username()} has a token {name.strip()!r} already: choose another name, or revoke it first"
    if own.count() >= MOST_OF_ACCOUNT:
        return f"{user.get_username()} has {MOST_OF_ACCOUNT} tokens: revoke one first"
    if not scope_names or not set(scope_names) <= set(scopes.BY_NAME):
        return f"choose at least one scope of {', '.join(scopes.BY_NAME)}"
    if days is not None and not 1 <= days <= LONGEST_DAYS:
        return f"a token is valid for 1 to {LONGEST_DAYS} days, or without an end"
    return ""


def find(secret: str) -> ApiToken | None:
    """The token, if it is one of ours; it may have expired, and its account may be closed."""
    return ApiToken.objects.select_related("user").filter(digest=digest(secret)).first()


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def note_use(row: ApiToken) -> None:
    """Remember when the token was last used, once a minute at most: a script that polls must not write each time."""
    now = timezone.now()
    if row.last_used_at is None or now - row.last_used_at >= _USE_NOTED_EVERY:
        old = Q(last_used_at=None) | Q(last_used_at__lt=now)
        ApiToken.objects.filter(old, pk=row.pk).update(last_used_at=now)
