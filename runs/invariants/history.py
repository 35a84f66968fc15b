"""A run is in one state, and the table (runs/machine.py) leads to it by the events of the run."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import CharField, F, OuterRef, Q, QuerySet, Subquery, Value, Window
from django.db.models.functions import Coalesce, Concat, Lag

from runs.invariants.kinds import Broken, Invariant, Scope
from runs.machine import STAGE_STATES, TABLE, TESTING, Event, State
from runs.models import RunEvent

EVENTS = [event.value for event in Event]
_OURS = "This is our bug: report it with the run's history. The run's result can't be relied on: vet the host again."


def moves(scope: Scope) -> QuerySet[RunEvent]:
    """The events that are transitions of the table. A failed stage after which the run went on is an event without a
    transition."""
    told_only = Q(kind=Event.STAGE_FAILED, state_before=F("state_after"))
    return RunEvent.objects.filter(kind__in=EVENTS, **scope.of_runs()).exclude(told_only).order_by()


def _not_in_table(scope: Scope) -> Iterator[Broken]:
    bar = Value("|")
    step = Concat("kind", bar, "state_before", bar, "state_after", output_field=CharField())
    wrong = moves(scope).annotate(step=step).exclude(step__in=_steps()).order_by("id")
    read = ("kind", "state_before", "state_after", "run__profile")
    for event in wrong.select_related("run").only(*read).iterator():
        if not _passes_over_newer_stages(event):
            taken = f"{event.kind} from {event.state_before} to {event.state_after}"
            yield Broken(event.run_id, f"event {event.pk}: {taken} is no row of the table")


def _passes_over_newer_stages(event: RunEvent) -> bool:
    """Whether the run went on to a later stage than the table's next one, because an earlier version of Vetting did not
    have the stages between: they are not in the run's profile."""
    order = list(STAGE_STATES)
    if event.kind != Event.STAGE_DONE or not {event.state_before, event.state_after} <= set(order):
        return False
    between = order[order.index(State(event.state_before)) + 1 : order.index(State(event.state_after))]
    return bool(between) and not set(between) & set(event.run.frozen.stages)


def _steps() -> list[str]:
    """Every transition of the table, in the notation of the query. A retry names its stage."""
    return [
        f"{row.event}|{row.state}|{after}"
        for row in TABLE
        for after in ([row.goes_to] if row.goes_to else STAGE_STATES)
    ]


def _not_a_chain(scope: Scope) -> Iterator[Broken]:
    before = Window(
        Lag("state_after", default=Value(State.REGISTERED.value, output_field=CharField())),
        partition_by=F("run_id"),
        order_by=F("id").asc(),
    )
    for event in moves(scope).annotate(was=before).exclude(was=F("state_before")).order_by("id").iterator():
        yield Broken(event.run_id, f"event {event.pk}: {event.kind} begins in {event.state_before}, not in {event.was}")


def _not_by_history(scope: Scope) -> Iterator[Broken]:
    last = moves(Scope()).filter(run=OuterRef("pk")).order_by("-id").values("state_after")[:1]
    registered = Value(State.REGISTERED.value, output_field=CharField())
    runs = scope.runs().annotate(told=Coalesce(Subquery(last), registered)).exclude(state=F("told"))
    for pk, state, told in runs.values_list("pk", "state", "told").iterator():
        yield Broken(pk, f"it is {state}; by its history it should be {told}")


def _not_ended(scope: Scope) -> Iterator[Broken]:
    """A run has an end time exactly when nothing is tested any more."""
    live = [State.REGISTERED, State.QUEUED, State.WAITING_WOL, State.BOOTING, *TESTING, State.REPORTING]
    wrong = Q(state__in=live, ended_at__isnull=False) | (~Q(state__in=live) & Q(ended_at=None))
    for pk, state in scope.runs().filter(wrong).values_list("pk", "state").iterator():
        yield Broken(pk, f"it is {state} and has {'no' if state not in live else 'an'} end time")


ALL = (
    Invariant(
        "history_in_table",
        "Each event that changed a run's state is a row of the state machine's table.",
        f"A run took a step that is not allowed. {_OURS}",
        _not_in_table,
    ),
    Invariant(
        "history_is_chain",
        "Each event of a run begins in the state in which the one before it ended.",
        f"An event is missing, or came twice. {_OURS}",
        _not_a_chain,
    ),
    Invariant(
        "state_by_history",
        "A run is in the state in which its last event left it.",
        f"Something changed the state and left no event, or the other way round. {_OURS}",
        _not_by_history,
    ),
    Invariant(
        "ended_when_over",
        "A run has an end time exactly when nothing is tested any more.",
        "Durations and the removal of old files go by it. This is our bug: report it with the run's history.",
        _not_ended,
    ),
)
