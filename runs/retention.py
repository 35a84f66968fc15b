"""The janitor: removes old files, and never a row of a run's history.

Artifacts older than `artifacts.retention_days` are removed with their rows, logs older than `logs.retention_days`
without. If the files of all runs take more than `janitor.most_gb`, those of the oldest runs go, too. Runs, hosts,
stages, findings, measurements and differences stay for ever; of measurements the single values only for
`measurements.keep_every_value_days`, if the operator sets it. Then the database gives back to the disk what it does not
need (`runs/database/compact.py`). A sweep takes longer the more files there are, so it is a job.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, takewhile
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import F, Max, Q, Sum
from django.utils import timezone

from hosts import previews
from runs import jobs
from runs.bench import faults
from runs.database import commits, compact
from runs.files import logs as logfiles
from runs.files.old_logs import Walk
from runs.machine import HELD, LIVE
from runs.measurements import reading, removing
from runs.models import Artifact, Job, Lease, Run
from runs.querysets import RunQuerySet

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Removal:
    """One file to remove. `artifact` is the key of its row, None for a log."""

    path: Path
    size: int
    artifact: int | None = None


SWEEP = jobs.Kind("runs.retention.sweep_a_while", "the janitor's sweep", limit_s=60, most_tries=3, is_long=True)
# Less than the job's 60 s, since the last file may take a while.
SWEEP_FOR_S = 30.0
JOBS_KEPT = timedelta(days=7)
_AT_ONCE = 500


def tick() -> None:
    """Ask for a sweep every `janitor.interval_minutes`. Two workers at once ask for one.

    The job and the note that it was asked for are written in one transaction. Else a crash between them would skip a
    sweep.
    """
    now = timezone.now()
    every = timedelta(minutes=settings.VETTING.janitor.interval_minutes)
    last = _last_asked_at()
    if last is not None and timedelta() <= now - last < every:  # else it is due, or the clock was set back
        return
    with transaction.atomic():
        if Lease.objects.filter(name=Lease.SWEEP, ticked_at=last).update(ticked_at=now):
            jobs.ask(SWEEP)


@commits.remembered
def _last_asked_at() -> datetime | None:
    return Lease.objects.get_or_create(name=Lease.SWEEP)[0].ticked_at


def sweep_a_while() -> str:
    """The job: sweep for `SWEEP_FOR_S`, and ask for another job if files are left. Also deletes old short jobs that
    were put aside, since nobody can ask for them again."""
    Job.objects.filter(due_at=None, handed_at=None, is_long=False, failed_at__lt=timezone.now() - JOBS_KEPT).delete()
    until, position = time.monotonic() + SWEEP_FOR_S, _position()
    removed = len(sweep(until=until, position=position)) + sweep_values(until=until)
    given = compact.give_back(until)
    has_moved = _position() not in (0, position)
    return jobs.AGAIN if (removed or given or has_moved) and time.monotonic() > until else ""


def sweep(*, dry_run: bool = False, until: float = float("inf"), position: int = 0) -> list[Removal]:
    """Remove what is too old, and return what was removed (or would be). A file that can't be removed stays, with its
    row, and is logged. Stops after `until` on the monotonic clock. Artifacts get half of the time, so that some that
    can't be removed do not keep the logs from their turn. The walk through the logs begins behind run `position`, and
    keeps in the lease how far it came."""
    walk = Walk(position, lambda: time.monotonic() >= until, may_change=not dry_run)
    artifacts = takewhile(lambda _: time.monotonic() < until - SWEEP_FOR_S / 2, _old_artifacts())
    others = takewhile(lambda _: time.monotonic() < until, chain(_old_logs(walk), _stale_previews()))
    beyond = _beyond_the_cap(until, may_change=not dry_run)
    removed = [item for item in chain(artifacts, others, beyond) if dry_run or _remove(item)]
    if walk.position != position and not dry_run:
        Lease.objects.filter(name=Lease.SWEEP).update(position=walk.position)
    if removed and not dry_run:
        log.info("janitor removed %d files, %d bytes", len(removed), sum(item.size for item in removed))
    return removed


def _position() -> int:
    return Lease.objects.get_or_create(name=Lease.SWEEP)[0].position


def sweep_values(*, dry_run: bool = False, until: float = float("inf")) -> int:
    """Remove the single values of measurements that are too old, and return how many were removed (or would be). The
    figures of each minute stay."""
    days = settings.VETTING.measurements.keep_every_value_days
    if days is None:
        return 0
    count = 0
    for run_id in removing.with_values(Run.objects.filter(ended_at__lt=_before(days)).exclude(pk__in=_in_use())):
        if time.monotonic() > until:
            break
        with faults.confined(f"Removing the single values of run {run_id}"):  # a damaged batch can't be rolled up
            count += reading.count(run_id=run_id) if dry_run else removing.remove_values(run_id, until)
    if count and not dry_run:
        log.info("janitor removed %d single values of measurements", count)
    return count


def inside(relative: str) -> Path | None:
    """The file below RUNS_DIR with this relative path, symbolic links followed; None if it lies outside or can't be
    followed."""
    base = settings.RUNS_DIR.resolve()
    try:
        path = (base / relative).resolve()
    except (OSError, RuntimeError, ValueError):  # links in a circle, a name that no file system takes
        return None
    return path if base in path.parents else None


def _old_artifacts() -> Iterator[Removal]:
    """Some hundred rows at a time, so that a sweep with little time does not read all of them."""
    old = Artifact.objects.filter(created_at__lt=_before(settings.VETTING.artifacts.retention_days))
    rows = old.exclude(run__state__in=LIVE | HELD).exclude(run__ended_at__gte=_before(1)).order_by("created_at", "id")
    seen = (datetime.min.replace(tzinfo=UTC), 0)
    while some := list(rows.filter(Q(created_at__gt=seen[0]) | Q(created_at=seen[0], id__gt=seen[1]))[:_AT_ONCE]):
        seen = (some[-1].created_at, some[-1].pk)
        for row in some:
            path = inside(row.path)
            if path is None:
                log.error("artifact %s of run %s lies outside of RUNS_DIR and is left alone", row.pk, row.run_id)
            else:
                yield Removal(path, row.size, row.pk)


def _old_logs(walk: Walk) -> Iterator[Removal]:
    """Logs whose last line is too old."""
    oldest = _before(settings.VETTING.logs.retention_days).timestamp()
    newest = Run.objects.aggregate(newest=Max("pk"))["newest"] or 0
    for path, size in walk.logs(oldest, set(_in_use().values_list("pk", flat=True)), newest):
        yield Removal(path, size)


def _stale_previews() -> Iterator[Removal]:
    for path in previews.stale():
        with suppress(FileNotFoundError):  # confirmed meanwhile
            yield Removal(path, path.stat().st_size)


def _beyond_the_cap(until: float, *, may_change: bool) -> Iterator[Removal]:
    """All files of the oldest runs, until those of all runs take no more than `janitor.most_gb`.

    Killed at any step, nothing stays half removed: a run is marked first, then its log goes, then each artifact with
    its row. A run that is marked and still has artifacts is finished first."""
    for run in Run.objects.filter(artifacts__created_at__lt=F("files_removed_at")).distinct().order_by("pk"):
        yield from _files_of(run)
    most_gb = settings.VETTING.janitor.most_gb
    too_many = 0.0 if most_gb is None else _bytes_kept() - most_gb * 1e9
    if too_many <= 0:
        return
    keeps = settings.VETTING.artifacts.retention_days, settings.VETTING.logs.retention_days
    kept = Run.objects.filter(files_removed_at=None, ended_at__gt=_before(max(keeps))).exclude(pk__in=_in_use())
    for run in kept.light().order_by("ended_at", "pk").iterator(_AT_ONCE):
        if too_many <= 0 or time.monotonic() > until:
            return
        if files := list(_files_of(run)):
            if may_change:
                Run.objects.filter(pk=run.pk).update(files_removed_at=timezone.now())
            yield from files
            too_many -= sum(item.size for item in files)


def _bytes_kept() -> int:
    """The size of the files of all runs, by their rows. What was removed by age does not count."""
    has_log = Q(ended_at=None) | Q(ended_at__gt=_before(settings.VETTING.logs.retention_days))
    logs = Run.objects.filter(has_log, files_removed_at=None).aggregate(size=Sum("log_bytes"))["size"] or 0
    return int(logs + (Artifact.objects.aggregate(size=Sum("size"))["size"] or 0))


def _files_of(run: Run) -> Iterator[Removal]:
    path = logfiles.path(run.pk)
    with suppress(OSError):
        yield Removal(path, path.stat().st_size)
    for row in run.artifacts.order_by("pk"):
        if (inside_of := inside(row.path)) is not None:
            yield Removal(inside_of, row.size, row.pk)


def _in_use() -> RunQuerySet:
    """Runs whose files stay: live, held, and ended within a day (the agent may still ask for a hold)."""
    return Run.objects.live_or_held() | Run.objects.filter(ended_at__gte=_before(1))


def _remove(item: Removal) -> bool:
    try:
        item.path.unlink(missing_ok=True)
    except OSError as error:
        log.error("janitor could not remove %s: %s", item.path, error.strerror)
        return False
    if item.artifact is not None:
        Artifact.objects.filter(pk=item.artifact).delete()
    return True


def _before(days: float) -> datetime:
    return timezone.now() - timedelta(days=days)
