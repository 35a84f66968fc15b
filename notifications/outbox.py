"""From event rows to messages: `tick` takes up new events, `deliver` sends, in the queue, in nobody's way."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError, close_old_connections, models, transaction
from django.utils import timezone

from notifications import kinds, routing, sending
from notifications.models import Cursor, Delivery, Notice
from runs import jobs
from runs.models import RunEvent

log = logging.getLogger(__name__)

# PostgreSQL can commit a lower id after a higher one; so many ids behind the cursor are looked at again.
LOOK_BACK = 1000
# A job waits for its turn behind one that waits for a dead target. What is a day old tells nobody anything.
BEGUN_AFTER, FORGOTTEN_AFTER = timedelta(seconds=30), timedelta(days=1)
# Of events that are to be told, in one round; the others follow in the next.
PER_TICK = 20
DELIVER = jobs.Kind("notifications.outbox.deliver", "a message", limit_s=30)


def tick() -> None:
    """Take up every event that is to be told. Two workers can run this at once:

    1. read what lies behind the cursor (and a little before it) and has no notice yet;
    2. per event, in one transaction: its notice (the key is unique: whoever comes second stops here), a
       delivery per target, and the job that sends them;
    3. move the cursor, as far as all is taken up;
    4. queue the job again where nobody has begun it: the queue drops one that fails before its first claim.
    """
    cursor, _ = Cursor.objects.get_or_create(name="outbox")
    newest = RunEvent.objects.order_by("-id").values_list("id", flat=True).first() or 0
    behind = RunEvent.objects.filter(id__gt=cursor.last_event - LOOK_BACK, id__lte=newest)
    to_tell = behind.exclude(tells="").filter(notice=None).only("run_id", "tells").order_by("id")
    for event in (taken := list(to_tell[:PER_TICK])):
        _take_up(event)
    if len(taken) == PER_TICK:
        newest = taken[-1].pk
    if newest > cursor.last_event:
        Cursor.objects.filter(name="outbox", last_event__lt=newest).update(last_event=newest)
    _queue_again()


@transaction.atomic
def _take_up(event: RunEvent) -> None:
    if not Notice.objects.get_or_create(event=event)[1]:
        return
    kind = kinds.KINDS.get(event.tells)
    if kind is None:
        log.error("run %s: event %s tells %r, which is no kind of message", event.run_id, event.pk, event.tells)
        return
    names = routing.targets(settings.VETTING.notifications.routes, kind.name, kind.severity)
    rows = Delivery.objects.bulk_create(Delivery(event=event, target=name) for name in names)
    if rows:
        jobs.ask(DELIVER, [row.pk for row in rows], run_id=event.run_id)


def _queue_again() -> None:
    now = timezone.now()
    set_back = models.Q(taken_at__gt=now + BEGUN_AFTER)  # the clock, and the queue's own times with it
    a_while = models.Q(taken_at__lt=now - BEGUN_AFTER, taken_at__gt=now - FORGOTTEN_AFTER)
    notices = Notice.objects.filter(set_back | a_while)
    late = Delivery.objects.filter(attempted_at=None, event__notice__in=notices)
    for event, run_id in late.order_by("event").values_list("event", "event__run").distinct()[:PER_TICK]:
        with transaction.atomic():
            if notices.filter(pk=event).update(taken_at=now):
                rows = Delivery.objects.filter(event=event, attempted_at=None).order_by("pk")
                jobs.ask(DELIVER, list(rows.values_list("pk", flat=True)), run_id=run_id)


def deliver(delivery_ids: Sequence[int]) -> None:
    """Send one event's deliveries side by side, each once: a queue may start a job a second time, so an
    attempt is claimed on its row first. A target that never answers costs its own limit, delays no other.

    All that is read is read before the claim: what fails until then is queued again by the tick. A database that takes
    no record of one keeps no other from its own."""
    waiting = list(Delivery.objects.filter(pk__in=delivery_ids, attempted_at=None).select_related("event__run__host"))
    if not waiting:
        return
    message = kinds.compose(waiting[0].event)
    claimed = {row.target: row for row in waiting if _claim(row)}
    for name, problem in sending.send_to_all(list(claimed), message):
        try:
            _record(claimed[name], problem)
        except DatabaseError:
            log.exception("what became of the message to %s is not on record: %s", name, problem or "it was sent")
            close_old_connections()


def _claim(row: Delivery) -> bool:
    now = timezone.now()
    return Delivery.objects.filter(pk=row.pk, attempted_at=None).update(attempted_at=now) == 1


def _record(row: Delivery, problem: str) -> None:
    sent_at = None if problem else timezone.now()
    Delivery.objects.filter(pk=row.pk).update(sent_at=sent_at, problem=problem[:300])
    run, host = row.event.run_id, row.event.run.host
    if problem:
        log.warning("run %s host %s: %s not delivered to %s: %s", run, host, row.event.tells, row.target, problem)
    else:
        log.info("run %s host %s: %s delivered to %s", run, host, row.event.tells, row.target)
