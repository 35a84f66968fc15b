"""The verdict of a run and the health of its host, from the rows as they are."""

from __future__ import annotations

from runs import verdict
from runs.machine import State
from runs.models import Run
from runs.verdict import Seen, StageOutcome


def settle(run: Run) -> None:
    """Write the verdict and what it does to the host's health."""
    run.verdict = verdict.verdict(
        attempts(run), seen(run), bench_error=run.bench_error, wanted=run.profile.get("stages", {})
    )
    run.save(update_fields=["verdict"])
    run.host.health = verdict.health_after(run.host.health, run.verdict)
    run.host.save(update_fields=["health"])


def blamed(run: Run) -> list[str]:
    """The components with a critical finding that counts."""
    return verdict.components(attempts(run), seen(run))


def attempts(run: Run) -> list[StageOutcome]:
    """Every attempt that is over. Reporting judges the others and is not judged itself."""
    return [
        StageOutcome(row.name, row.attempt, row.boot, row.outcome, row.counts)
        for row in run.stage_runs.exclude(outcome="").exclude(name=State.REPORTING)
    ]


def seen(run: Run) -> list[Seen]:
    rows = run.findings.select_related("stage_run")
    return [Seen(f.stage_run.name, f.stage_run.attempt, f.severity, f.component) for f in rows]
