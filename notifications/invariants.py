"""Every event with a message is taken up."""

from __future__ import annotations

from collections.abc import Iterator

from notifications.models import Cursor
from notifications.outbox import LOOK_BACK
from runs.bench import service_state
from runs.invariants import Broken, Invariant, Scope
from runs.invariants.waiting import WORKER_BOUND
from runs.models import RunEvent
from runs.wording import remedies


def _not_taken_up(scope: Scope) -> Iterator[Broken]:
    """Events with a message that have no notice after a minute. If the worker is not running, the bench reports that
    problem."""
    if service_state.is_silent() or not Cursor.objects.exists():
        return
    untold = RunEvent.objects.exclude(tells="").filter(notice=None, at__lt=scope.now - WORKER_BOUND)
    for event in untold.filter(**scope.of_runs()).order_by("id"):
        yield Broken(event.run_id, f"event {event.pk} ({event.tells}) was never taken up")


def _read_too_far(scope: Scope) -> Iterator[Broken]:
    newest = RunEvent.objects.order_by("-id").values_list("id", flat=True).first() or 0
    for cursor in Cursor.objects.filter(last_event__gt=newest + LOOK_BACK):
        yield Broken(None, f"the outbox was read to event {cursor.last_event}, and the newest is {newest}")


ALL = (
    Invariant(
        "messages_are_taken_up",
        "The worker has taken up each event that has a message.",
        "No message was sent: look at the run. This is our bug: report it with the worker's log.",
        _not_taken_up,
    ),
    Invariant(
        "outbox_in_step",
        "The outbox was not read further than the newest event.",
        "An older database replaced a newer one: new events send no messages. Restore with "
        f"`{remedies.command('restore')}`, which sets it right.",
        _read_too_far,
    ),
)
