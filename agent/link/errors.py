"""The errors of calls to the orchestrator, by who must act. None of them says anything about the host under test."""

from __future__ import annotations


class CallFailed(Exception):
    """A call was not answered as the contract says. The text is for a person."""


class Unreachable(CallFailed):
    """The bench must act: no connection, no answer in time, or an orchestrator in trouble (5xx). The agent tries
    again, after `retry_after_s` if the orchestrator said so."""

    retry_after_s: float = 0.0


class TokenRefused(CallFailed):
    """A person must look: the token is of another run, boot or machine (401, 403)."""


class NotAllowed(CallFailed):
    """The run is in another state than the agent believes (409). The agent claims again."""


class BadMessage(CallFailed):
    """Our bug: one side can't read what the other side wrote (400 and the like)."""


class TooLarge(BadMessage):
    """More than the orchestrator accepts (413). Send less."""
