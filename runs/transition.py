"""Change the state of a run. No other module writes `Run.state`."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection
from django.utils import timezone

from hosts import bounds
from hosts.readable import readable
from runs import effects, machine
from runs.database import transactions
from runs.machine import Event, State
from runs.models import Actor, Run, RunEvent
from runs.wording import naming

log = logging.getLogger("vetting.runs")


class Refused(Exception):
    """The call is not possible now. The message says why and what would help. Answered 409."""


@contextmanager
def locked(run_id: int) -> Iterator[Run]:
    """Read the run in a transaction in which no other process can change it. (SQLite's transactions are IMMEDIATE and
    need no row lock.)"""
    with transactions.short(f"run {run_id}"):
        query = Run.objects.select_related("host")
        if connection.features.has_select_for_update:
            query = query.select_for_update(of=("self",))
        yield query.get(pk=run_id)


def apply(
    run: Run,
    event: Event,
    *,
    actor: Actor,
    who: str = "",
    why: str = "",
    target: State | None = None,
    slots: int | None = None,
) -> None:
    """Apply one row of the table in the caller's transaction: compare-and-set of the state, the effects, the event.
    Raises machine.NotAllowed if there is no such row, Refused if the state has changed meanwhile."""
    row = machine.step(State(run.state), event)
    before, after = row.state, row.goes_to or target
    if after is None:
        raise ValueError(f"{event} needs the stage it goes to")
    moved = Run.objects.filter(pk=run.pk, state=before).update(state=after, state_since=timezone.now())
    if moved != 1:
        raise Refused(f'run {run.pk} is no longer "{naming.state_in_words(before)}": look again')
    run.state, why = after, for_history(why)
    for effect in row.effects:
        effects.carry_out(effect, run, before, why)
    write_event(run, event, actor=actor, who=who, text=why, before=before, slots=slots, tells=effects.told(row.effects))
    log.info("run %s host %s: %s -> %s (%s by %s) %s", run.pk, run.host.name, before, after, event, actor, why)


def write_event(
    run: Run,
    kind: str,
    *,
    actor: Actor,
    who: str = "",
    text: str = "",
    before: str = "",
    slots: int | None = None,
    tells: str = "",
    data: dict[str, Any] | None = None,
) -> RunEvent:
    """One row of the outbox, in the caller's transaction. `slots`: how many slots there were
    when this event gave one."""
    return RunEvent.objects.create(
        run=run,
        actor=actor,
        who=readable(who)[:150],
        kind=kind,
        text=for_history(text),
        state_before=before or run.state,
        state_after=run.state,
        data={**(data or {}), **({} if slots is None else {"slots": slots})},
        tells=tells,
    )


def for_history(text: str) -> str:
    """A sentence for the history: control characters removed, cut to its bound."""
    return bounds.SENTENCE.cut(readable(bounds.SENTENCE.cut(text)))
