"""Calls that must be answered before anything else can happen, however long that takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from agent.events import Events, Timing
from agent.link.errors import BadMessage, NotAllowed, TokenRefused, Unreachable

T = TypeVar("T")
Announce = Callable[[str, str], None]


def call_until_answered(post: Callable[[], T], events: Events, timing: Timing, announce: Announce) -> T:
    """Try until there is an answer. What was refused can only change by a person's hand: it is said on
    the screen, and asked again slowly. Raises Quit and RunIsOver."""
    while True:
        try:
            return call_until_reachable(post, events, timing, announce)
        except (NotAllowed, BadMessage) as error:
            announce("error", str(error))
            events.pause(timing.refused_s)


def call_until_reachable(post: Callable[[], T], events: Events, timing: Timing, announce: Announce) -> T:
    """Try through every outage and refused token; NotAllowed and BadMessage are the caller's to judge."""
    wait_s = timing.retry_first_s
    while True:
        try:
            return post()
        except TokenRefused as error:
            announce("error", f"{error}: the orchestrator no longer knows this boot")
            events.pause(timing.refused_s)
        except Unreachable as error:
            announce("warning", f"the orchestrator is out of reach: {error}")
            events.pause(wait_s)
            wait_s = min(2 * wait_s, timing.retry_cap_s)
