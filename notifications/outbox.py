"""Turn event rows into messages: `tick` takes up new events, and what is to be tried again; `deliver` sends them, as a
job of its own."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import Min
from django.utils import timezone

from hosts.readable import readable
from notifications import channels, gathering, kinds, routing, sending
from notifications.channel import DeliveryFailed
from notifications.models import Cursor, Delivery, Notice
from runs import jobs
from runs.bench import faults
from runs.database import commits
from runs.models import RunEvent

log = logging.getLogger(__name__)

# PostgreSQL can commit a lower id after a higher one, so this many ids before the cursor are read again.
LOOK_BACK = 1000
# Events that one round takes up; the others follow in the next round.
PER_TICK = 20
MOST_GATHERED = 200
DELIVER = jobs.Kind("notifications.outbox.deliver", "a message", limit_s=30, most_tries=3)
# The result of a delivery is recorded within this time; other deliveries of the job wait as long.
_RECORD_S = 5.0
NOBODY_KNOWS = "whether it arrived is not known: the worker ended while it was sent"


def tick() -> None:
    """Take up every event that has a message. Two workers can run this at once:

    1. read what lies behind the cursor (and a little before it) and has no notice yet;
    2. per event, in one transaction: its notice (the key is unique: whoever comes second stops here), a
       delivery per target, and the job that sends them;
    3. move the cursor up to the last event before which all are taken up.
    """
    last, newest, taken = _what_is_new()
    for event in taken:
        with faults.confined(f"The message of event {event.pk} (run {event.run_id})"):
            _take_up(event)
    if len(taken) == PER_TICK:
        newest = taken[-1].pk
    if newest > last:
        Cursor.objects.filter(name="outbox", last_event__lt=newest).update(last_event=newest)
    _take_up_again()


@commits.remembered
def _what_is_new() -> tuple[int, int, list[RunEvent]]:
    """The event up to which all are taken up, the newest, and those to take up now."""
    cursor, _ = Cursor.objects.get_or_create(name="outbox")
    newest = RunEvent.objects.order_by("-id").values_list("id", flat=True).first() or 0
    behind = RunEvent.objects.filter(id__gt=cursor.last_event - LOOK_BACK, id__lte=newest)
    to_tell = behind.exclude(tells="").filter(notice=None).only("run_id", "tells").order_by("id")
    return cursor.last_event, newest, list(to_tell[:PER_TICK])


@transaction.atomic
def _take_up(event: RunEvent) -> None:
    if not Notice.objects.get_or_create(event=event)[1]:
        return
    kind = kinds.KINDS.get(event.tells)
    if kind is None:
        log.error("run %s: event %s tells %r, which is no kind of message", event.run_id, event.pk, event.tells)
        return
    routes = settings.VETTING.notifications.routes
    names = routing.targets(routes, kind.name, kind.severity, _about(event, routes))
    due = {name: gathering.waits_until(name, kind.severity, event) for name in names}
    rows = Delivery.objects.bulk_create(Delivery(event=event, target=name, due_at=due[name]) for name in names)
    if now := [row.pk for row in rows if row.due_at is None]:
        jobs.ask(DELIVER, now, run_id=event.run_id)


def _about(event: RunEvent, routes: Iterable[routing.Route]) -> routing.About:
    """Reads the host only if a route asks for it."""
    if not any(route.hosts or route.tags for route in routes):
        return routing.NO_HOST
    host = event.run.host
    return routing.About(host.name, frozenset(host.tag_list))


def _take_up_again() -> None:
    """Ask for the deliveries that are due: those that waited for the end of quiet hours or of a burst, by target, and
    those that are tried again. Two workers can run this at once: of each delivery, only one finds the row as it was."""
    now, due_at = timezone.now(), _next_due()
    if due_at is None or due_at > now:
        return
    due = Delivery.objects.filter(due_at__lte=now)
    for target in due.filter(attempted_at=None).order_by().values_list("target", flat=True).distinct():
        with faults.confined(f"The messages that waited for {target}"):
            _send_gathered(target, now)
    for row in due.exclude(attempted_at=None).select_related("event").order_by("due_at")[:PER_TICK]:
        with faults.confined(f"The message of event {row.event_id} (run {row.event.run_id})"):
            send_again(row, row.tries)


@transaction.atomic
def _send_gathered(target: str, now: datetime) -> None:
    """Have all that waited for a target sent as one message, two hundred at most: the next round takes the others."""
    due = Delivery.objects.filter(target=target, attempted_at=None, due_at__lte=now)
    mine = list(due.order_by("pk").values_list("pk", flat=True)[:MOST_GATHERED])
    if due.filter(pk__in=mine).update(due_at=None):
        jobs.ask(DELIVER, mine)


@commits.remembered
def _next_due() -> datetime | None:
    first: datetime | None = Delivery.objects.filter(due_at__isnull=False).aggregate(first=Min("due_at"))["first"]
    return first


@transaction.atomic
def send_again(row: Delivery, tries: int) -> bool:
    """Have it sent now, as if it had been tried so often. False if it changed since it was read."""
    as_read = Delivery.objects.filter(pk=row.pk, due_at=row.due_at, attempted_at=row.attempted_at)
    if as_read.update(due_at=None, attempted_at=None, sent_at=None, problem="", tries=tries) != 1:
        return False
    jobs.ask(DELIVER, [row.pk], run_id=row.event.run_id)
    return True


def deliver(delivery_ids: Sequence[int]) -> None:
    """Send one event's deliveries in parallel, or what waited for one target as one message; each once. The job may be
    tried again, so each attempt is first claimed in its row. A target that never answers uses up its own time limit and
    delays no other.

    Everything is read before the claim: a failure until then is tried again. A delivery that an earlier try claimed is
    not sent again, except to a receiver that is a program."""
    mine = Delivery.objects.filter(pk__in=delivery_ids)
    for row in mine.filter(sent_at=None, problem="").exclude(attempted_at=None).select_related("event__run__host"):
        _record(row, NOBODY_KNOWS)
    waiting = list(mine.filter(attempted_at=None).select_related("event__run__host"))
    if not waiting:
        return
    events = list({row.event_id: row.event for row in waiting}.values())
    message = kinds.compose(events[0]) if len(events) == 1 else kinds.summarise(events)
    claimed = defaultdict(list)
    for row in filter(_claim, waiting):
        claimed[row.target].append(row)
    for name, problem in sending.send_to_all(list(claimed), message):
        try:
            jobs.save_outcome(partial(_record_all, claimed[name], problem), time.monotonic() + _RECORD_S)
        except DatabaseError:
            log.exception("what became of the message to %s is not on record: %s", name, problem or "it was sent")


def _claim(row: Delivery) -> bool:
    now = timezone.now()
    return Delivery.objects.filter(pk=row.pk, attempted_at=None).update(attempted_at=now) == 1


@transaction.atomic
def _record_all(rows: Sequence[Delivery], problem: str) -> None:
    for row in rows:
        _record(row, problem)


def _record(row: Delivery, problem: str) -> None:
    now, after_s = timezone.now(), _next_try_after_s(row) if problem else None
    fields = {"tries": row.tries + 1, "problem": readable(problem)[:300], "sent_at": None if problem else now}
    due_at = None if after_s is None else now + timedelta(seconds=after_s)
    Delivery.objects.filter(pk=row.pk).update(due_at=due_at, **fields)
    run, host = row.event.run_id, row.event.run.host
    if problem:
        log.warning("run %s host %s: %s not delivered to %s: %s", run, host, row.event.tells, row.target, problem)
    else:
        log.info("run %s host %s: %s delivered to %s", run, host, row.event.tells, row.target)


def _next_try_after_s(row: Delivery) -> int | None:
    """None if this was the last try: of a channel that reaches a person it is the first."""
    try:
        waits = channels.channel(sending.find(row.target).kind).SERVICE.retry_after_s
    except DeliveryFailed:  # vetting.yaml has no such target any more
        return None
    return waits[row.tries] if row.tries < len(waits) else None
