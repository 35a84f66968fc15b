"""The janitor: removes files by age, never a row of a run's history.

Artifact files older than `artifacts.retention_days` go with their rows, log files older than
`logs.retention_days` go alone. Runs, hosts, stages, findings, measurements and differences stay for ever.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from runs.models import Artifact, Run
from runs.querysets import RunQuerySet

log = logging.getLogger(__name__)

LOG_SUFFIX = ".log"


@dataclass(frozen=True)
class Removal:
    """One file that goes. `artifact` is its row's key, None for a log."""

    path: Path
    size: int
    artifact: int | None = None


_last_sweep: float | None = None


def tick() -> list[Removal]:
    """Sweep every `janitor.interval_minutes`, counted in this process: a worker that has just started sweeps
    at once, which harms nothing. Two sweeps at the same time remove the same files."""
    global _last_sweep
    now = time.monotonic()
    if _last_sweep is not None and now - _last_sweep < settings.VETTING.janitor.interval_minutes * 60:
        return []
    _last_sweep = now
    return sweep()


def sweep(*, dry_run: bool = False) -> list[Removal]:
    """Remove what is too old; returns what was removed (or would be). A file that can't be removed stays,
    with its row, and is logged."""
    doomed = [*_old_artifacts(), *_old_logs()]
    removed = doomed if dry_run else [item for item in doomed if _remove(item)]
    if removed and not dry_run:
        log.info("janitor removed %d files, %d bytes", len(removed), sum(item.size for item in removed))
    return removed


def inside(relative: str) -> Path | None:
    """The file below RUNS_DIR that this names, symbolic links followed; None for what leads outside."""
    base = settings.RUNS_DIR.resolve()
    path = (base / relative).resolve()
    return path if base in path.parents else None


def _old_artifacts() -> Iterator[Removal]:
    rows = Artifact.objects.filter(created_at__lt=_before(settings.VETTING.artifacts.retention_days))
    for row in rows.exclude(run__in=_in_use()).order_by("id"):
        path = inside(row.path)
        if path is None:
            log.error("artifact %s of run %s lies outside of RUNS_DIR and is left alone", row.pk, row.run_id)
        else:
            yield Removal(path, row.size, row.pk)


def _old_logs() -> Iterator[Removal]:
    """By the time of their last line: a log is appended to as long as its run lives."""
    oldest = _before(settings.VETTING.logs.retention_days).timestamp()
    in_use = {str(pk) for pk in _in_use().values_list("pk", flat=True)}
    for path in sorted(settings.RUNS_DIR.glob(f"*/*{LOG_SUFFIX}")):
        if path.is_symlink() or not path.is_file() or path.parent.is_symlink() or path.parent.name in in_use:
            continue
        if (facts := path.stat()).st_mtime < oldest:
            yield Removal(path, facts.st_size)


def _in_use() -> RunQuerySet:
    """Runs whose files nobody may take away: live, held, and just failed, where the agent may still hold."""
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
