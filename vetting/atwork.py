"""Whether web or worker use the data now: a restore or a move of the database must not run beside them."""

from __future__ import annotations

from django.db import DatabaseError

from runs import watchdog
from runs.bench import service_state

ROUND_JUST_DONE_S = 5.0


def why_at_work() -> str:
    """That they are, and what to do; empty if they are not."""
    try:
        age_s = service_state.age_s()
    except DatabaseError:  # no tables yet
        age_s = float("inf")
    if age_s >= ROUND_JUST_DONE_S and not watchdog.web_answers():
        return ""
    return (
        "web or worker is at work: stop both first (systemctl stop vetting-web vetting-worker), and try again in "
        f"{ROUND_JUST_DONE_S:.0f} s"
    )
