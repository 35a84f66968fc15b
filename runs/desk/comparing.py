"""Runs of one host side by side: the results of each stage, the key numbers, and the changes from one run to the
next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Exists, OuterRef

from hosts import bounds
from hosts.models import Host
from runs.desk.shown import Shown, first, of_each
from runs.judging import inventory_changes
from runs.models import Finding, Run, Severity, StageRun, Verdict
from runs.stages import BY_NAME
from runs.wording import key_numbers
from runs.wording.key_numbers import Numbers, Row

MAX_RUNS = 6
TREND_RUNS = 30
_HEAVY = ("progress", "checks", "counters", "refusals", "evidence")


@dataclass(frozen=True)
class StageRow:
    """One stage in each run: its newest attempt, None if the run did not reach the stage."""

    title: str
    cells: Sequence[StageRun | None]


@dataclass(frozen=True)
class Between:
    """The changes between two consecutive runs. `known` is False if one of them has no inventory."""

    before: Run
    after: Run
    known: bool
    parts: Shown[inventory_changes.Change]
    numbers: Shown[Row]
    findings_new: Shown[Finding]
    findings_gone: Shown[Finding]


@dataclass(frozen=True)
class Comparison:
    runs: Sequence[Run]
    stages: Sequence[StageRow]
    numbers: Sequence[Row]
    between: Sequence[Between]
    more_numbers: int = 0


def comparable(host: Host) -> list[Run]:
    """The newest runs that reached a stage, newest first: these can be chosen."""
    started = host.runs.filter(Exists(StageRun.objects.filter(run=OuterRef("pk"))))
    return list(
        started.only("id", "host_id", "created_at", "verdict", "state", "profile_name", "repair").order_by("-id")[:50]
    )


def suggested(choice: Sequence[Run]) -> list[Run]:
    """From the runs that can be chosen (newest first): the newest, and the last one before it that passed."""
    earlier = [run for run in choice[1:] if run.verdict == Verdict.PASSED] or choice[1:]
    return [*choice[:1], *earlier[:1]]


def compare(host: Host, run_ids: Iterable[int]) -> Comparison:
    """These runs of the host, oldest first; at most `MAX_RUNS`, the newest of them."""
    wanted = host.runs.filter(pk__in=list(run_ids)).light("inventory").order_by("-id")
    runs = list(wanted[:MAX_RUNS])[::-1]
    attempts = _newest_attempts(run.pk for run in runs)
    numbers = [_numbers(attempts.get(run.pk, {})) for run in runs]
    found = _findings(runs)
    pairs = zip(range(len(runs)), range(1, len(runs)), strict=False)
    rows, more = of_each(key_numbers.table(numbers), lambda row: row.number.stage, bounds.SHOWN_TRENDS.most)
    return Comparison(
        runs=runs,
        stages=_stage_rows(runs, attempts),
        numbers=rows,
        more_numbers=more,
        between=[_between(runs[a], runs[b], numbers[a], numbers[b], found) for a, b in pairs],
    )


def trends(runs: Iterable[Run]) -> list[Row]:
    """Each key number over the newest `TREND_RUNS` of these runs (given newest first)."""
    ids = [run.pk for run in runs][:TREND_RUNS][::-1]
    attempts = _newest_attempts(ids)
    return key_numbers.table([_numbers(attempts[pk]) for pk in ids if _numbers(attempts.get(pk, {}))])


def _newest_attempts(run_ids: Iterable[int]) -> dict[int, dict[str, StageRun]]:
    """Run → stage → its newest attempt."""
    rows = StageRun.objects.filter(run_id__in=list(run_ids)).defer(*_HEAVY).order_by("attempt")
    newest: dict[int, dict[str, StageRun]] = {}
    for row in rows:
        newest.setdefault(row.run_id, {})[row.name] = row
    return newest


def _numbers(attempts: dict[str, StageRun]) -> Numbers:
    return {
        (row.name, name): float(value)
        for row in attempts.values()
        for name, value in row.numbers.items()
        if isinstance(value, int | float)
    }


def _stage_rows(runs: Sequence[Run], attempts: dict[int, dict[str, StageRun]]) -> list[StageRow]:
    rows = [(stage.title, [attempts.get(run.pk, {}).get(name) for run in runs]) for name, stage in BY_NAME.items()]
    return [StageRow(title, cells) for title, cells in rows if any(cells)]


def _findings(runs: Sequence[Run]) -> dict[int, dict[tuple[str, str], Finding]]:
    """Run → (code, component) → finding, without findings that are information only."""
    found: dict[int, dict[tuple[str, str], Finding]] = {run.pk: {} for run in runs}
    for row in Finding.objects.filter(run__in=runs).exclude(severity=Severity.INFO):
        found[row.run_id].setdefault((row.code, row.component), row)
    return found


def _between(
    before: Run, after: Run, old: Numbers, new: Numbers, found: dict[int, dict[tuple[str, str], Finding]]
) -> Between:
    changes = None
    if before.inventory is not None and after.inventory is not None:
        changes = inventory_changes.compare(before.inventory, after.inventory)
    had, has = found[before.pk], found[after.pk]
    rows = key_numbers.table([old, new])
    return Between(
        before=before,
        after=after,
        known=changes is not None,
        parts=first(changes or []),
        numbers=first([row for row in rows if row.cells[1].moved and row.number.unit != "h"]),
        findings_new=first([has[key] for key in has if key not in had]),
        findings_gone=first([had[key] for key in had if key not in has]),
    )
