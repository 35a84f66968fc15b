"""Gate 5 while a disk is written: an orchestrator that does not answer may have cancelled the run meanwhile."""

from __future__ import annotations

from agent.disk_writes import safety
from agent.stage import StageContext


def why(ctx: StageContext) -> str:
    """Why nothing may be written now; empty while the orchestrator's last answer is fresh."""
    age_s = ctx.last_continue_age_s()
    return "" if safety.still_fresh(age_s) else f"gate 5: the orchestrator last answered {age_s:.0f} s ago"


def is_over(ctx: StageContext) -> bool:
    """Wait until the orchestrator answers. Returns False if the stage is stopped instead."""
    while not ctx.stop.is_set() and why(ctx):
        ctx.stop.wait(1.0)
    return not ctx.stop.is_set()
