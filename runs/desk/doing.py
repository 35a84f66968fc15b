"""Do an action on a run for an operator, and say in a sentence what was done. For pages and commands."""

from __future__ import annotations

from runs import lifecycle
from runs.models import Run
from runs.wording import naming


def cancel(run: Run, who: str) -> str:
    lifecycle.cancel(run, who)
    return f"Run {run.pk} of {run.host} is cancelled."


def release(run: Run, who: str) -> str:
    lifecycle.release(run, who)
    return f"{run.host} is released and powers itself off."


def wake(run: Run, who: str, *, restart: bool = False) -> str:
    lifecycle.wake_again(run, who, restart=restart)
    return f"{run.host} is woken again."


def retry(run: Run, stage: str, who: str) -> str:
    lifecycle.ask_retry(run, stage, who)
    return f"{naming.state_in_words(stage)} runs again as soon as a slot is free."
