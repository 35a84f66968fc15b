"""Have the measurements of all runs rolled up every few minutes, by a job."""

from __future__ import annotations

import time
from datetime import timedelta

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from runs import jobs
from runs.bench import faults
from runs.database import commits
from runs.measurements import rollup
from runs.models import Lease, MeasurementBatch

# Each roll-up rewrites a row of 1 kB for every measured series. Readers add the batches that came after it.
EVERY = timedelta(minutes=5)
ROLL_UP = jobs.Kind(
    "runs.rolling_up.roll_up_a_while", "rolling up measurements", limit_s=60, most_tries=3, is_long=True
)
# Less than the job's 60 s, since the last piece may take a while.
ROLL_UP_FOR_S = 30.0
# Batches looked at in one step. Their runs are rolled up to the end, and then the position moves.
STEP = 20_000


def tick() -> None:
    """Ask for the job if batches came since the last one. Two workers at once ask for one. Nothing is written while
    nothing is measured."""
    now = timezone.now()
    lease = _lease()
    last = lease.ticked_at
    if last is not None and timedelta() <= now - last < EVERY:  # else it is due, or the clock was set back
        return
    if lease.position >= _newest():
        return
    with transaction.atomic():
        if Lease.objects.filter(name=Lease.ROLL_UP, ticked_at=last).update(ticked_at=now):
            jobs.ask(ROLL_UP)


@commits.remembered
def _lease() -> Lease:
    return Lease.objects.get_or_create(name=Lease.ROLL_UP)[0]


def roll_up_a_while() -> str:
    """The job: roll up for `ROLL_UP_FOR_S`, and ask for another job if more is left."""
    return jobs.AGAIN if roll_up_all(time.monotonic() + ROLL_UP_FOR_S) else ""


def roll_up_all(until: float = float("inf")) -> bool:
    """Roll up every run that has batches since the lease's position. Stops after `until` on the monotonic clock, and
    returns whether more is left. A batch that is committed late is rolled up with the next one of its run."""
    lease, _ = Lease.objects.get_or_create(name=Lease.ROLL_UP)
    position, newest = lease.position, _newest()
    while position < newest:
        step = min(position + STEP, newest)
        batches = MeasurementBatch.objects.filter(pk__gt=position, pk__lte=step)
        for run_id in batches.order_by().values_list("run_id", flat=True).distinct():
            if _roll_up(run_id, until):
                return True
        Lease.objects.filter(name=Lease.ROLL_UP).update(position=step)
        position = step
        if time.monotonic() > until:
            return position < newest
    return False


def _roll_up(run_id: int, until: float) -> bool:
    """Roll up this run. Returns whether the time was over before the run's end. Values that can't be rolled up stay as
    they are, and do not stop other runs."""
    with faults.confined(f"Rolling up the measurements of run {run_id}"):
        while rollup.roll_up(run_id):
            if time.monotonic() > until:
                return True
    return False


@commits.remembered
def _newest() -> int:
    return MeasurementBatch.objects.aggregate(newest=Max("id"))["newest"] or 0
