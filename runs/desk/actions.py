"""What an operator can do to a run, by its state. The table in runs/machine.py decides; this module has the texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from agent.contract import wire
from runs import machine, power, stage_rows
from runs.machine import Event, State
from runs.models import Outcome, Run, StageRun
from runs.wording import naming


@dataclass(frozen=True)
class Action:
    """`name` is also the last part of its URL, `/runs/<id>/<name>/`; `permission` is the permission that it needs.
    `event` is what it does to the run; None for one that leaves its state, and is possible in the states of `only_in`.
    """

    name: str
    permission: str
    label: str
    event: Event | None
    title: str
    consequence: str
    danger: bool = False
    only_in: tuple[State, ...] = ()


CANCEL = Action(
    "cancel",
    "runs.cancel_run",
    "Cancel run",
    Event.CANCEL,
    "Cancel this run?",
    "The test that runs now is stopped, the host powers itself off, and the run ends without a verdict. "
    "What was found so far is kept.",
    danger=True,
)
RELEASE = Action(
    "release",
    "runs.release_run",
    "Release host",
    Event.RELEASE,
    "Release this host?",
    "The login key is removed, all SSH sessions are closed, and the host powers itself off. The verdict stays.",
    danger=True,
)
RETRY = Action(
    "retry",
    "runs.retry_run",
    "Retry stage",
    Event.RETRY,
    "Run a stage once more?",
    "As soon as a slot is free the hold ends and the stage starts its next attempt; the stages after it follow. "
    "A critical finding stays in the verdict even if the retry passes, unless the host was booted anew; then its parts "
    "are collected again and all stages follow.",
)
OVERRIDE = Action(
    "override",
    "runs.override_run",
    "Override wipe probe",
    Event.RETRY,
    "Write over what is on this disk?",
    "What is listed here is destroyed for good. The permission holds for the next Storage attempt only.",
    danger=True,
)
WAKE = Action(
    "wake",
    "runs.start_run",
    "Wake again",
    None,
    "Wake this host again?",
    "It is woken as at the start of the run, also if its BMC has refused the login: put name and password right first, "
    "since some BMCs lock an account after a few refusals.",
    only_in=(State.WAITING_WOL,),
)
ACTIONS: tuple[Action, ...] = (WAKE, RETRY, OVERRIDE, RELEASE, CANCEL)
BY_NAME: dict[str, Action] = {action.name: action for action in ACTIONS}


def available(run: Run) -> list[Action]:
    """The actions that the run's state allows and that have something to do."""
    return [action for action in ACTIONS if not why_not(run, action)]


def why_not(run: Run, action: Action) -> str:
    """Why the action is not possible now, in a sentence; empty if it is."""
    state = State(run.state)
    if not (state in action.only_in if action.event is None else machine.allows(state, action.event)):
        now = naming.state_in_words(run.state)
        return f'Run {run.pk} of {run.host} is now "{now}": "{action.label}" is not possible then.'
    if action.event is Event.RETRY and power.was_cycled(run):
        return power.NO_RETRY
    if action is OVERRIDE and not refusals(run):
        return f"The wipe probe refused nothing in the newest Storage attempt of run {run.pk}."
    if action is RETRY and not retryable(run):
        return f"No stage of run {run.pk} has been tried yet: there is nothing to retry."
    return ""


def retryable(run: Run) -> list[StageRun]:
    """The newest attempt of every stage that has a result, those that did not pass first. After a new boot only the
    stage that reads the inventory."""
    newest = {row.name: row for row in run.stage_runs.all() if row.outcome and row.counts}
    if stage_rows.was_booted_anew(run):
        return [newest[State.INVENTORY_CHECK]] if State.INVENTORY_CHECK in newest else []
    return sorted(newest.values(), key=lambda row: (row.outcome == Outcome.PASSED, row.order))


def refusals(run: Run) -> list[dict[str, Any]]:
    """The disks that the wipe probe (gate 3) refused in the newest Storage attempt, each with the attempt's number and
    boot, and whether it was overridden already."""
    attempts = [row for row in run.stage_runs.all() if row.name == State.STORAGE]
    if not attempts:
        return []
    newest = max(attempts, key=lambda row: row.attempt)
    given = set(run.overrides.filter(attempt=newest.attempt + 1).values_list("serial", flat=True))
    return [
        {**refusal, "attempt": newest.attempt, "boot": newest.boot, "overridden": refusal["serial"] in given}
        for refusal in newest.refusals
        if refusal["gate"] == wire.Gate.WIPE_PROBE
    ]
