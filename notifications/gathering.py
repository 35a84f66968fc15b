"""When a message to a person waits, in quiet hours and in a burst. What waited for a target comes as one message."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from typing import Any, Protocol

from django.conf import settings
from django.db.models import Min
from django.utils import timezone

from notifications import channels
from notifications.models import Delivery
from runs.models import RunEvent

BURST = timedelta(minutes=10)
# No more events than this happen in such a time: so the index by event is enough.
_EVENTS = 5_000


class Quiet(Protocol):
    """A `notifications.quiet` entry of vetting.yaml. No targets means all."""

    @property
    def after(self) -> time: ...
    @property
    def until(self) -> time: ...
    @property
    def targets(self) -> list[str]: ...
    @property
    def severities(self) -> list[Any]: ...


def waits_until(target: str, severity: str, event: RunEvent) -> datetime | None:
    """When a message of this event is due; None for now. A program gets each message at once."""
    if _is_program(target):
        return None
    now, wanted = timezone.localtime(), settings.VETTING.notifications
    return quiet_until(wanted.quiet, target, severity, now) or _burst_until(target, event, now, wanted.burst_after)


def quiet_until(quiet: Iterable[Quiet], target: str, severity: str, now: datetime) -> datetime | None:
    """The end of the quiet hours that it is; the latest, if there are several. `now` is in the operator's time zone."""
    for_it = (one for one in quiet if target in (one.targets or [target]) and severity in one.severities)
    return max((_end(one, now) for one in for_it if _is_quiet(one, now.time())), default=None)


def _is_quiet(one: Quiet, at: time) -> bool:
    if one.after < one.until:
        return one.after <= at < one.until
    return at >= one.after or at < one.until


def _end(one: Quiet, now: datetime) -> datetime:
    day = now.date() if now.time() < one.until else now.date() + timedelta(days=1)
    return datetime.combine(day, one.until, tzinfo=now.tzinfo)


def _burst_until(target: str, event: RunEvent, now: datetime, most: int | None) -> datetime | None:
    """After `most` messages in BURST, further ones wait for each other. Those that wait already say until when."""
    if most is None:
        return None
    of_target = Delivery.objects.filter(target=target, event_id__gt=event.pk - _EVENTS)
    if of_target.filter(event__at__gt=now - BURST).exclude(event=event).count() < most:
        return None
    waiting = of_target.filter(attempted_at=None, due_at__gt=now).aggregate(first=Min("due_at"))["first"]
    return waiting or now + BURST


def _is_program(target: str) -> bool:
    """Whether the target's channel reaches a program, which is tried again."""
    by_name = {one.name: one for one in settings.VETTING.notifications.targets}
    return target in by_name and bool(channels.channel(by_name[target].kind).SERVICE.retry_after_s)
