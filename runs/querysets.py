"""Queries about many runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models

from hosts.models import Host
from runs.machine import HELD, LIVE, OCCUPIES_SLOT, State

if TYPE_CHECKING:
    from runs.models import Run

# The columns of a run that hold JSON documents, some of them large.
DOCUMENTS = ("profile", "expected", "disks", "inventory")
# The same of an attempt: a list that loads them for every row reads many megabytes.
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

    def next_in_line(self) -> RunQuerySet:
        """Queued runs, first come first served."""
        return self.filter(state=State.QUEUED, host__enabled=True).order_by("id")

    def waiting_to_retry(self) -> RunQuerySet:
        return self.filter(state=State.FAILED_HOLDING).exclude(retry_stage="").order_by("state_since")

    def booting(self) -> RunQuerySet:
        return self.filter(state__in=(State.WAITING_WOL, State.BOOTING))
