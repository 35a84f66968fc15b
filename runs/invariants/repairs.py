"""The few repairs that need no decision by a person. Each is planned first; each step is one transaction and one line
in the run's history."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from django.conf import settings

from runs import hold, reporting
from runs.files import logs as logfiles
from runs.invariants import attempts, stored
from runs.invariants.kinds import Scope
from runs.machine import HELD
from runs.models import Actor, HoldSession, Run
from runs.transition import locked, write_event

log = logging.getLogger("vetting.doctor")


@dataclass(frozen=True)
class Step:
    """`what` says what would change; `take` does it on behalf of the named operator."""

    what: str
    take: Callable[[str], None]


@dataclass(frozen=True)
class Repair:
    """`plan` lists the steps and changes nothing. A step that is no longer needed when it is taken does nothing."""

    name: str
    does: str
    plan: Callable[[], Iterable[Step]]


def _close_holds() -> Iterator[Step]:
    broken = {one.run for one in attempts.broken_keys(Scope()) if one.run is not None}
    for run in Run.objects.filter(pk__in=broken).exclude(state__in=HELD).order_by("id"):
        yield Step(f"run {run.pk}: close its holds and forget their keys", partial(_forget_keys, run.pk))
    left = HoldSession.objects.filter(closed_at__isnull=False, run__state__in=HELD).exclude(private_key_sealed="")
    for pk in sorted(set(left.values_list("run_id", flat=True))):
        yield Step(f"run {pk}: forget the keys of its closed holds", partial(_forget_keys, pk))


def _forget_keys(pk: int, who: str) -> None:
    with locked(pk) as run:
        if run.state not in HELD:
            hold.close_sessions(run)
        forgotten = HoldSession.objects.filter(run=run, closed_at__isnull=False).exclude(private_key_sealed="")
        forgotten.update(private_key_sealed="")
        _tell(run, who, "holds closed, keys forgotten")


def _log_length() -> Iterator[Step]:
    for one in stored.short_logs(Scope()):
        if one.run is not None:
            yield Step(f"run {one.run}: {one.what}: take the file as it is", partial(_take_length, one.run))


def _take_length(pk: int, who: str) -> None:
    with locked(pk) as run:
        path = logfiles.path(pk)
        size = path.stat().st_size if path.exists() else 0
        if size < run.log_bytes:
            lost, run.log_bytes = run.log_bytes - size, size
            run.save(update_fields=["log_bytes"])
            _tell(run, who, f"{lost} bytes of the log are lost")


def _write_reports() -> Iterator[Step]:
    found = (one for find in (stored.different_files, stored.missing_reports) for one in find(Scope()))
    broken = {one.run for one in found if one.run is not None}
    for pk in Run.objects.filter(pk__in=broken, ended_at__isnull=False, report_due=False).values_list("pk", flat=True):
        yield Step(f"run {pk}: have its report written anew", partial(_make_due, pk))


def _make_due(pk: int, who: str) -> None:
    with locked(pk) as run:
        reporting.want(run)
        _tell(run, who, "report to be written anew")


def _move_orphans() -> Iterator[Step]:
    for path in stored.orphans(Scope()):
        yield Step(f"move {path} to {_place_for(path)}", partial(_move, path))


def _move(path: Path, who: str) -> None:
    place = _place_for(path)
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    path.rename(place)
    log.warning("%s moved to %s by %s", path, place, who)


def _place_for(path: Path) -> Path:
    """An unused path beside the runs' directory."""
    place = settings.RUNS_DIR.parent / "orphans" / path.relative_to(settings.RUNS_DIR)
    number = 1
    while place.exists():
        number += 1
        place = place.with_name(f"{path.name}.{number}")
    return place


def _tell(run: Run, who: str, text: str) -> None:
    write_event(run, "repaired", actor=Actor.OPERATOR, who=who, text=f"doctor: {text}")


ALL: dict[str, Repair] = {
    repair.name: repair
    for repair in (
        Repair("close_holds", "Close holds of runs that are not held, and forget keys of closed ones.", _close_holds),
        Repair("log_length", "Take the log file of a run as it is, and say what is lost.", _log_length),
        Repair("write_reports", "Have reports written anew whose files are missing or differ.", _write_reports),
        Repair("move_orphans", "Move files that belong to no run out of the runs' directory.", _move_orphans),
    )
}
