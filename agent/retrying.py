"""Calls that the agent repeats until they are answered, because nothing else can happen before."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from agent.events import Events, Timing
from agent.link.client import spread
from agent.link.errors import BadMessage, NotAllowed, TokenRefused, Unreachable

T = TypeVar("T")
Announce = Callable[[str, str], None]


def call_until_answered(post: Callable[[], T], events: Events, timing: Timing, announce: Announce) -> T:
    """Call until there is an answer. A refusal is shown on the screen and tried again slowly, since only a person can
    change it. Raises Quit and RunIsOver."""
    while True:
        try:
            return call_until_reachable(post, events, timing, announce)
        except (NotAllowed, BadMessage) as error:
            announce("error", str(error))
            events.pause(timing.refused_s)


def call_until_reachable(post: Callable[[], T], events: Events, timing: Timing, announce: Announce) -> T:
    """Call again after every outage and refused token, not before the orchestrator said. NotAllowed and BadMessage are
    raised to the caller."""
    wait_s = timing.retry_first_s
    while True:
        try:
            return post()
        except TokenRefused as error:
            announce("error", f"{error}: the orchestrator no longer knows this boot")
            events.pause(timing.refused_s)
        except Unreachable as error:
            announce("warning", f"the orchestrator is out of reach: {error}")
            events.pause(spread(max(wait_s, error.retry_after_s)))
            wait_s = min(2 * wait_s, timing.retry_cap_s)
