"""Who must act when a call to the orchestrator fails. None of these says anything about the host under
test."""

from __future__ import annotations


class CallFailed(Exception):
    """A call that was not answered as the contract says; the text is for a person."""


class Unreachable(CallFailed):
    """The bench: no connection, no answer in time, or an orchestrator in trouble (5xx). Try again."""


class TokenRefused(CallFailed):
    """Somebody must look: the token is of another run, boot or machine (401, 403)."""


class NotAllowed(CallFailed):
    """The run is not where the agent believes it is (409). Ask again what comes next."""


class BadMessage(CallFailed):
    """We have a bug: the orchestrator can't read what the agent wrote, or the other way round (400 and
    the like)."""


class TooLarge(BadMessage):
    """More than the orchestrator takes (413). Send less."""
