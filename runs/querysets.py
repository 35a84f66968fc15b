"""Every question about many runs."""

from __future__ import annotations

from django.db import models

from runs.machine import HELD, LIVE, OCCUPIES_SLOT, State


class RunQuerySet(models.QuerySet):
    def live(self) -> RunQuerySet:
        """Between registered and reporting: something is still to happen."""
        return self.filter(state__in=LIVE)

    def live_or_held(self) -> RunQuerySet:
        return self.filter(state__in=LIVE | HELD)

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
