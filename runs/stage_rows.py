"""The rows of a run's stages: opening an attempt, closing it, adding findings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Max
from django.utils import timezone

from agent.contract import wire
from hosts import bounds
from runs.machine import State
from runs.models import Finding, Outcome, Run, StageRun
from runs.profiles import estimate
from runs.stages import BY_NAME, STAGES

# The wipe probe's answers for a disk that it could not read.
NO_DATA = frozenset({wire.UNREADABLE, wire.NOT_PROBED})
# The findings for a host that hung, reset or lost power in a stage, and for a stage that did not end in time.
HOST_LOST, OVERDUE = "system.lost", "system.overdue"
# The deadline was missed while the bench was short of CPU: that says nothing of the host.
BENCH_STARVED = "bench.starved"
# How often an agent that was restarted gets the whole time of its stage again.
MAX_RESTARTS = 3
CLAIM_REPEATED_S = 60.0
ORDER = {stage.name: number for number, stage in enumerate(STAGES)}


def open_attempt(run: Run, *, by_retry: bool = False) -> StageRun:
    """A row for the next attempt of the stage that the run is in. A stage that needs the link alone gets its go from
    the dispatcher, all others at once."""
    stage = BY_NAME[run.state]
    last = run.stage_runs.filter(name=stage.name).aggregate(last=Max("attempt"))["last"] or 0
    return StageRun.objects.create(
        run=run,
        name=stage.name,
        order=ORDER[stage.name],
        attempt=last + 1,
        boot=claimed_boot(run),
        by_retry=by_retry,
        timeout_s=estimate.timeout_of_run_s(run, stage.name),
        go_at=None if stage.shares_link else timezone.now(),
    )


def tell_retry(run: Run) -> None:
    """The open attempt follows one of a retry that was done without the agent. The agent is still in its hold, and must
    be told to come back for this attempt."""
    run.stage_runs.filter(name=run.state, outcome=Outcome.RUNNING).update(by_retry=True)


def claimed_boot(run: Run) -> int:
    """Number of the newest claimed boot."""
    return run.boots.exclude(claimed_at=None).aggregate(newest=Max("number"))["newest"] or run.boot


def was_booted_anew(run: Run) -> bool:
    """Whether the host has booted since its inventory was read. It may have been opened then, and the agent knows no
    inventory: only InventoryCheck can start."""
    collected = [row.boot for row in run.stage_runs.all() if row.name == State.INVENTORY_CHECK]
    return bool(collected) and max(collected) < claimed_boot(run)


def current(run: Run) -> StageRun | None:
    """The attempt that runs, or waits for its go."""
    return run.stage_runs.filter(name=run.state, outcome=Outcome.RUNNING).order_by("-attempt").first()


def fail_running(run: Run, code: str, why: str) -> None:
    """The running attempt has failed without a result, with a critical finding (HOST_LOST or OVERDUE) on the system."""
    for stage_run in run.stage_runs.filter(outcome=Outcome.RUNNING):
        finish(stage_run, Outcome.FAILED, why)
        add_finding(stage_run, wire.Finding(code, wire.Severity.CRITICAL, "system", "system", why))


def drop_running(run: Run, why: str) -> None:
    """The running attempt is not tested: the bench was unfit."""
    for stage_run in run.stage_runs.filter(outcome=Outcome.RUNNING):
        stage_run.bench = why
        finish(stage_run, Outcome.NOT_TESTED, why)
        add_finding(stage_run, wire.Finding(BENCH_STARVED, wire.Severity.INFO, "system", "system", why))


def cancel_running(run: Run) -> None:
    """The running attempt is not tested: the operator stopped the run."""
    for stage_run in run.stage_runs.filter(outcome=Outcome.RUNNING):
        finish(stage_run, Outcome.NOT_TESTED, "cancelled")


def was_given_up(stage_run: StageRun) -> bool:
    """Whether the attempt was closed without a result, because the host counted as lost or the time was over."""
    return stage_run.findings.filter(code__in=(HOST_LOST, OVERDUE, BENCH_STARVED)).exists()


def unfit_attempts_before(stage_run: StageRun) -> int:
    """How many attempts just before this one the bench could not measure. An operator's retry starts at 0 again."""
    rows = stage_run.run.stage_runs.filter(name=stage_run.name, boot=stage_run.boot)
    count = 0
    if stage_run.by_retry:
        return count
    for row in rows.filter(attempt__lt=stage_run.attempt).order_by("-attempt"):
        if not row.bench:
            break
        count += 1
        if row.by_retry:
            break
    return count


def restart_clock(stage_run: StageRun) -> bool:
    """The agent was restarted and begins the stage again: give it the whole time again, `MAX_RESTARTS` times at most.
    False if the deadline stays, also for a claim that was only sent twice."""
    if stage_run.go_at is None or stage_run.restarts >= MAX_RESTARTS:
        return False
    allowed_s = estimate.timeout_of_run_s(stage_run.run, stage_run.name)
    elapsed_s = (timezone.now() - stage_run.go_at).total_seconds()
    if stage_run.timeout_s - elapsed_s > allowed_s - CLAIM_REPEATED_S:
        return False
    stage_run.restarts += 1
    stage_run.timeout_s = elapsed_s + allowed_s
    stage_run.save(update_fields=["restarts", "timeout_s"])
    return True


def skip(stage_run: StageRun, reason: str, *, counts: bool) -> None:
    """End an attempt without running it. If it counts, the run can't pass without it."""
    stage_run.counts = counts
    finish(stage_run, Outcome.NOT_TESTED, reason)


def finish(stage_run: StageRun, outcome: str, reason: str = "") -> None:
    """End an attempt with this outcome, and save the row."""
    stage_run.outcome, stage_run.reason, stage_run.ended_at = outcome, bounds.SENTENCE.cut(reason), timezone.now()
    stage_run.save()


def is_refused_by_wipe_probe(stage_run: StageRun) -> bool:
    return any(refusal["gate"] == wire.Gate.WIPE_PROBE for refusal in stage_run.refusals)


def found_data_on(stage_run: StageRun) -> list[str]:
    """The disks that the wipe probe refused, if it found data on all of them. Empty if it could not read one. A disk
    that may not be written at all (gate 4) is not among them."""
    by_probe = [refusal for refusal in stage_run.refusals if refusal["gate"] == wire.Gate.WIPE_PROBE]
    return [refusal["serial"] for refusal in by_probe] if all(map(_has_data, by_probe)) else []


def _has_data(refusal: dict[str, Any]) -> bool:
    return any(signature["kind"] not in NO_DATA for signature in refusal["signatures"])


def add_finding(stage_run: StageRun, finding: wire.Finding) -> None:
    add_findings(stage_run, (finding,))


def add_findings(stage_run: StageRun, findings: Iterable[wire.Finding]) -> None:
    """Insert findings, 200 per statement."""
    Finding.objects.bulk_create([_row(stage_run, one) for one in findings], batch_size=200)


def _row(stage_run: StageRun, finding: wire.Finding) -> Finding:
    return Finding(
        run_id=stage_run.run_id,
        stage_run=stage_run,
        code=finding.code[:64],
        severity=finding.severity,
        component_kind=finding.component_kind[:16],
        component=finding.component[:128] or "system",
        message=finding.message,
        value=finding.value,
        limit=finding.limit,
        unit=finding.unit[:16],
    )


def has_failed(run: Run) -> bool:
    """Whether the newest attempt of any stage in this boot has failed. Earlier boots do not count: after a boot all
    stages are tested again."""
    rows = run.stage_runs.filter(boot=claimed_boot(run)).order_by("attempt")
    newest = dict(rows.values_list("name", "outcome"))
    return Outcome.FAILED in newest.values()
