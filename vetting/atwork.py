"""Whether web or worker use the data now: a restore or a move of the database must not run beside them."""

from __future__ import annotations

from time import sleep

from django.db import DatabaseError

from runs import outages
from runs.bench import service_state
from runs.wording import remedies

ROUND_JUST_DONE_S = 5.0
LOOK_EVERY_S = 0.5


def why_at_work() -> str:
    """A sentence that they are at work, and what to do. Empty if they are not."""
    if not (outages.web_answers() or _another_round_comes()):
        return ""
    return f"web or worker is at work: stop them first ({remedies.stop_all()})"


def _another_round_comes() -> bool:
    """Whether the worker goes on. One that was stopped a moment ago has just done a round, so wait for the next."""
    try:
        last = service_state.last_round()
        for _ in range(int(ROUND_JUST_DONE_S / LOOK_EVERY_S)):
            if service_state.age_s() >= ROUND_JUST_DONE_S:
                return False
            sleep(LOOK_EVERY_S)
            if service_state.last_round() != last:
                return True
    except DatabaseError:  # no tables yet
        pass
    return False
