"""Queries about many runs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Exists, Max, Min, Q
from django.utils import timezone

from hosts.models import Host
from runs.machine import HELD, LIVE, OCCUPIES_SLOT, State

if TYPE_CHECKING:
    from runs.models import Run

# The columns of a run that hold JSON documents, some of them large.
DOCUMENTS = ("profile", "expected", "disks", "inventory")
# The same for an attempt. Loading them for every row of a list would read many megabytes.
STAGE_DOCUMENTS = ("progress", "checks", "counters", "numbers", "refusals", "evidence")


class RunQuerySet(models.QuerySet["Run"]):
    def live(self) -> RunQuerySet:
        """From registered to reporting."""
        return self.filter(state__in=LIVE)

    def live_or_held(self) -> RunQuerySet:
        return self.filter(state__in=LIVE | HELD)

    def busy_on(self, host: Host) -> Run | None:
        """The live or held run of this host. There is one at most."""
        return self.live_or_held().filter(host=host).first()

    def with_parts(self) -> RunQuerySet:
        """Runs with an inventory, newest first."""
        return self.filter(inventory__isnull=False).order_by("-id")

    def light(self, *kept: str) -> RunQuerySet:
        """Without the JSON documents, except those in `kept`."""
        return self.defer(*(name for name in DOCUMENTS if name not in kept))

    def held(self) -> RunQuerySet:
        return self.filter(state__in=HELD)

    def in_a_slot(self) -> RunQuerySet:
        return self.filter(state__in=OCCUPIES_SLOT)

    def waiting_for_a_slot(self) -> RunQuerySet:
        """Queued runs, those of disabled hosts too, and retries."""
        return self.filter(Q(state=State.QUEUED) | (Q(state=State.FAILED_HOLDING) & ~Q(retry_stage="")))

    def next_in_line(self) -> RunQuerySet:
        """Queued runs, first come first served."""
        return self.filter(state=State.QUEUED, host__enabled=True).order_by("id")

    def waiting_to_retry(self) -> RunQuerySet:
        return self.filter(state=State.FAILED_HOLDING).exclude(retry_stage="").order_by("state_since")

    def booting(self) -> RunQuerySet:
        return self.filter(state__in=(State.WAITING_WOL, State.BOOTING))

    def datetimes(self, field_name: str, kind: str, order: str = "ASC", tzinfo: tzinfo | None = None) -> Any:
        """The years, months or days that have runs, for the administration. It looks into the index once for each
        possible one; Django's own method reads all runs."""
        span = self.aggregate(first=Min(field_name), last=Max(field_name))
        if span["first"] is None:
            return []
        zone = tzinfo or timezone.get_current_timezone()
        starts = list(_starts(span["first"].astimezone(zone), span["last"].astimezone(zone), kind))
        there = {
            f"period_{n}": Exists(self.filter(**{f"{field_name}__gte": start, f"{field_name}__lt": after}))
            for n, (start, after) in enumerate(starts)
        }
        (found,) = self.model._default_manager.order_by().annotate(**there).values_list(*there)[:1]
        return [start for (start, _), is_there in zip(starts, found, strict=True) if is_there]


def _starts(first: datetime, last: datetime, kind: str) -> Iterator[tuple[datetime, datetime]]:
    """Each year, month or day from that of `first` to that of `last`: when it begins, and when the next one does."""
    start = first.replace(hour=0, minute=0, second=0, microsecond=0)
    start = start.replace(day=1) if kind != "day" else start
    start = start.replace(month=1) if kind == "year" else start
    while start <= last:
        after = start + timedelta(days={"year": 366, "month": 31}.get(kind, 1))
        after = after.replace(day=1) if kind != "day" else after
        yield start, after
        start = after
