"""Read a run's rows, and write the verdict of the run and the health of its host."""

from __future__ import annotations

from django.db.models import Min, QuerySet

from runs.judging import verdict
from runs.judging.verdict import Seen, StageOutcome
from runs.machine import State
from runs.models import Finding, Run, Severity


def write(run: Run) -> None:
    """Write the verdict, and the host's health that follows from it."""
    run.verdict = verdict.verdict(attempts(run), seen(run), bench_error=run.bench_error, wanted=run.frozen.stages)
    run.save(update_fields=["verdict"])
    run.host.health = verdict.health_after(run.host.health, run.verdict)
    run.host.save(update_fields=["health"])


def blamed(run: Run) -> list[str]:
    """The components with a critical finding that counts, in the order of the findings."""
    counted = {(attempt.name, attempt.attempt) for attempt in verdict.counting(attempts(run))}
    found = _critical(run).values_list("stage_run__name", "stage_run__attempt", "component").annotate(first=Min("id"))
    return list(dict.fromkeys(part for name, attempt, part, _ in found.order_by("first") if (name, attempt) in counted))


def attempts(run: Run) -> list[StageOutcome]:
    """Every attempt that has ended, without Reporting, which judges the others."""
    over = run.stage_runs.exclude(outcome="").exclude(name=State.REPORTING)
    return [StageOutcome(*row) for row in over.values_list("name", "attempt", "boot", "outcome", "counts")]


def seen(run: Run) -> list[Seen]:
    """One entry per attempt with a critical finding: a host may have sent thousands of findings."""
    found = _critical(run).order_by().values_list("stage_run__name", "stage_run__attempt").distinct()
    return [Seen(name, attempt, Severity.CRITICAL, "") for name, attempt in found]


def _critical(run: Run) -> QuerySet[Finding]:
    return run.findings.filter(severity=Severity.CRITICAL)
