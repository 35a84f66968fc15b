"""How much of this process's memory the bodies of requests may hold while they come in.

Strangers, people who are logged in, and agents have shares of their own. An agent whose calls are refused because of
what a stranger holds is silent for the watchdog, and its host would fail.
"""

from __future__ import annotations

from typing import NamedTuple

from daphne.http_protocol import WebRequest
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.http import parse_cookie

from agentapi import hot
from runs import tokens
from runs.bench.allowance import Allowance

LOGGED_IN_BODY_BYTES = 16 * 1024 * 1024
HELD_BYTES_EACH = 8 * 1024 * 1024
HELD_BYTES_EACH_LOGGED_IN = 2 * LOGGED_IN_BODY_BYTES
HELD_BYTES = 64 * 1024 * 1024
# The beginning of a body, which is not counted: more than a heartbeat, with which an agent shows its token to a process
# that does not know it yet. The number of connections bounds how much that is: 48 MiB.
SMALL_BYTES = 4 * 1024


class Share(NamedTuple):
    """`who` may send bodies of `limit` bytes, and holds what `allowance` allows."""

    allowance: Allowance
    who: str
    limit: int


class Bodies:
    """The bytes that are held now, by kind of sender."""

    def __init__(self) -> None:
        what, here = "bytes of bodies under way", "vetting/front/bodies.py"
        self.strangers = Allowance(what, HELD_BYTES_EACH, HELD_BYTES, here)
        self.logged_in = Allowance(what, HELD_BYTES_EACH_LOGGED_IN, HELD_BYTES, here)
        self.agents = Allowance(what, HELD_BYTES_EACH, HELD_BYTES, here)

    def share_of(self, request: WebRequest, address: str) -> Share:
        """Behind a proxy all users have one address, so each account has its own share, and each run too."""
        if run := _run(request):
            return Share(self.agents, f"run {run}", settings.AGENT_BODY_LIMIT_BYTES)
        if account := _account(request):
            return Share(self.logged_in, f"account {account}", LOGGED_IN_BODY_BYTES)
        return Share(self.strangers, address, settings.AGENT_BODY_LIMIT_BYTES)


def counted(length: int) -> int:
    """How much of a body of this length counts."""
    return max(0, length - SMALL_BYTES)


def _run(request: WebRequest) -> int:
    """The run of an agent whose token was good before; 0 for others. The event loop makes no query."""
    bearer = hot.bearer(request.getHeader(b"authorization") or b"")
    token = tokens.parse(bearer) if hot.is_known(bearer) else None
    return token.run if token else 0


def _account(request: WebRequest) -> str:
    """The account of this session; empty if nobody is logged in. Only logged-in people import files; nobody else needs
    to send much. The session is a signed cookie, so the event loop makes no query."""
    header = request.getHeader(b"cookie")
    if not header:
        return ""
    session = parse_cookie(header.decode("latin-1")).get(settings.SESSION_COOKIE_NAME)
    return "" if session is None else str(SessionStore(session).load().get(SESSION_KEY, ""))
