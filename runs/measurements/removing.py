"""Remove the single values of runs that ended long ago. The figures that were rolled up stay."""

from __future__ import annotations

import time

from django.db.models import Exists, OuterRef

from runs.database import transactions
from runs.measurements import reading, rollup
from runs.models import MeasurementBatch, Run
from runs.querysets import RunQuerySet

# How many batches are removed in one transaction.
PIECE = 2_000


def with_values(runs: RunQuerySet) -> list[int]:
    """Which of these runs have single values."""
    batches = MeasurementBatch.objects.filter(run=OuterRef("pk"))
    return list(runs.filter(Exists(batches)).order_by("pk").values_list("pk", flat=True))


def remove_values(run_id: int, until: float = float("inf")) -> int:
    """Roll the run up to its end, then remove the batches that are rolled up. Returns how many measurements are gone.
    Stops after `until` on the monotonic clock."""
    while rollup.roll_up(run_id):
        if time.monotonic() > until:
            return 0
    before, mark = reading.count(run_id=run_id), Run.objects.values_list("rolled_up_to", flat=True).get(pk=run_id)
    rolled_up = MeasurementBatch.objects.filter(run_id=run_id, pk__lte=mark).order_by("pk")
    while piece := list(rolled_up.values_list("pk", flat=True)[:PIECE]):
        with transactions.short(f"removing measurements of run {run_id}"):
            rolled_up.filter(pk__lte=piece[-1]).order_by().delete()
        if time.monotonic() > until:
            break
    return before - reading.count(run_id=run_id)
