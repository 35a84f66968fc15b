"""Files and rows agree: logs, reports, and other files in the runs' directory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db.models import F

from runs import retention
from runs.files import logs as logfiles
from runs.files import old_logs, storage
from runs.invariants.kinds import Broken, Invariant, Scope
from runs.models import Artifact, Run
from runs.reports import write as report

# A report may be rewritten and a log appended to during the check.
SETTLES = timedelta(minutes=15)
_OURS_OR_DISK = "Somebody removed files, a disk lost them, or this is our bug."


def short_logs(scope: Scope) -> Iterator[Broken]:
    """Acknowledged log lines are in the file. The janitor deletes whole files of runs that ended long ago, or
    beyond the cap on the size."""
    kept_since = scope.now - timedelta(days=settings.VETTING.logs.retention_days)
    logged = scope.runs().filter(log_bytes__gt=0, files_removed_at=None)
    for pk, length, ended in logged.values_list("pk", "log_bytes", "ended_at"):
        size = _size(logfiles.path(pk))
        if size is None and ended is not None and ended < kept_since:
            continue
        if (size or 0) < length:
            yield Broken(pk, f"its log has {size or 0} of {length} bytes that were acknowledged")


def different_files(scope: Scope) -> Iterator[Broken]:
    rows = Artifact.objects.filter(**scope.of_runs()).order_by("id").values_list("run_id", "name", "path", "size")
    for run, name, relative, size in rows.iterator():
        path = retention.inside(relative)
        if path is None:
            yield Broken(run, f"{name} lies outside of the runs' directory: {relative}")
        elif (found := _size(path)) != size:
            yield Broken(run, f"{name} has {'no file' if found is None else f'{found} bytes'}, its row says {size}")


def missing_reports(scope: Scope) -> Iterator[Broken]:
    """Reports that were written, are too new for the janitor to delete, and are missing."""
    since = scope.now - timedelta(days=settings.VETTING.artifacts.retention_days)
    written = scope.runs().filter(report_due=False, report_at__gt=since).exclude(files_removed_at__gte=F("report_at"))
    names = {report.HTML_NAME, report.JSON_NAME}
    listed: dict[int, set[str]] = {}
    for run, name in Artifact.objects.filter(name__in=names, **scope.of_runs()).values_list("run_id", "name"):
        listed.setdefault(run, set()).add(name)
    for pk in written.values_list("pk", flat=True):
        if missing := names - listed.get(pk, set()):
            yield Broken(pk, f"its report was written, and {' and '.join(sorted(missing))} is not among its files")
    over = scope.runs().filter(report_due=False, report_at=None, ended_at__gt=since, ended_at__lt=scope.now - SETTLES)
    for pk in over.values_list("pk", flat=True):
        yield Broken(pk, "it is over, has no report, and none is due")


def _belongs_to_nobody(scope: Scope) -> Iterator[Broken]:
    for path in orphans(scope):
        yield Broken(None, f"{path.relative_to(settings.RUNS_DIR)} belongs to no run, or is named by no row")


def orphans(scope: Scope) -> Iterator[Path]:
    """Entries of RUNS_DIR that belong to no run, and files of the checked runs that no row names."""
    if not settings.RUNS_DIR.is_dir():
        return
    with os.scandir(settings.RUNS_DIR) as entries:
        found = {entry.name: Path(entry.path) for entry in entries if entry.name != storage.MARK}
    runs = set(map(str, Run.objects.values_list("pk", flat=True)))
    yield from (found[name] for name in sorted(found.keys() - runs))
    named: dict[int, set[str]] = {}
    for run, relative in Artifact.objects.filter(**scope.of_runs()).values_list("run_id", "path"):
        named.setdefault(run, set()).add(relative)
    for pk in scope.runs().values_list("pk", flat=True).iterator():
        if str(pk) in found:
            yield from _unnamed(pk, named.get(pk, set()), (scope.now - SETTLES).timestamp())


def _unnamed(run: int, named: set[str], before: float) -> Iterator[Path]:
    """Files of a run that no row names and that were not written recently."""
    with os.scandir(settings.RUNS_DIR / str(run)) as entries:
        for entry in sorted(entries, key=lambda one: one.name):
            known = entry.name.endswith(old_logs.SUFFIX) or f"{run}/{entry.name}" in named
            if not known and entry.stat(follow_symlinks=False).st_mtime < before:
                yield Path(entry.path)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


ALL = (
    Invariant(
        "log_is_whole",
        "The file of a run's log has every byte that was acknowledged to its host.",
        f"Lines of the log are lost. {_OURS_OR_DISK} The repair takes the file as it is, and says so in the history.",
        short_logs,
        repair="log_length",
    ),
    Invariant(
        "files_as_listed",
        "Each file that a run lists is there, with the size that its row says.",
        f"A report can't be opened, or differs from what was written. {_OURS_OR_DISK} The repair writes reports anew.",
        different_files,
        repair="write_reports",
    ),
    Invariant(
        "report_is_there",
        "A run that is over has its report, or it is due.",
        f"{_OURS_OR_DISK} The repair has it written.",
        missing_reports,
        repair="write_reports",
    ),
    Invariant(
        "no_orphans",
        "Every file in the runs' directory belongs to a run and is named by a row.",
        "Nobody will remove these files. They belong to runs that a restored database does not know, or to a process "
        "that died. The repair moves them to `orphans` beside the runs' directory.",
        _belongs_to_nobody,
        repair="move_orphans",
    ),
)
