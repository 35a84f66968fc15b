"""The rows of a run's stages: opening an attempt, closing it, keeping what the agent found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import Max
from django.utils import timezone

from agent.contract import codec, wire
from agent.contract.stage_spec import Owner
from hosts import bounds
from runs import disk_writes, received
from runs.bench import fitness, unfit_results
from runs.judging import comparisons, required_checks
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


@dataclass(frozen=True)
class Skipped:
    """Why a stage is skipped. If it `counts`, the run can't pass without it. A stage that is not in the profile, or not
    expected on this host, does not count."""

    reason: str
    counts: bool = False


AFTER_A_FAILURE = Skipped("it writes to disks, and no stage writes after a failed one", counts=True)


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
        _end(stage_run, Outcome.FAILED, why)
        add_finding(stage_run, wire.Finding(code, wire.Severity.CRITICAL, "system", "system", why))


def drop_running(run: Run, why: str) -> None:
    """The running attempt is not tested: the bench was unfit."""
    for stage_run in run.stage_runs.filter(outcome=Outcome.RUNNING):
        stage_run.bench = why
        _end(stage_run, Outcome.NOT_TESTED, why)
        add_finding(stage_run, wire.Finding(BENCH_STARVED, wire.Severity.INFO, "system", "system", why))


def cancel_running(run: Run) -> None:
    """The running attempt is not tested: the operator stopped the run."""
    for stage_run in run.stage_runs.filter(outcome=Outcome.RUNNING):
        _end(stage_run, Outcome.NOT_TESTED, "cancelled")


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


def is_to_be_repeated(stage_run: StageRun) -> bool:
    """Whether the bench could not measure this attempt, and another one follows."""
    if not (stage_run.bench and stage_run.go_at and BY_NAME[stage_run.name].shares_link):
        return False
    spoilt = stage_run.outcome == Outcome.NOT_TESTED
    return spoilt and unfit_attempts_before(stage_run) + 1 < settings.VETTING.bench.network_tries


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


def skip(stage_run: StageRun, skipped: Skipped) -> None:
    """End an attempt without running it."""
    stage_run.counts = skipped.counts
    _end(stage_run, Outcome.NOT_TESTED, skipped.reason)


def finish(stage_run: StageRun, outcome: str, reason: str = "") -> None:
    _end(stage_run, outcome, reason)


def keep(stage_run: StageRun, result: wire.Result, cut: received.Cut = received.NOTHING) -> None:
    """Write the result into the row and its findings, and end the attempt. `cut` is what was left out of the result.

    1. If the bench was unfit, what it can explain counts against no component.
    2. Findings from comparing the numbers with other runs are added.
    3. The agent's outcome is not taken as it is: a critical finding or a failed check makes it failed; a refusal by the
       wipe probe, or a required check that did not pass, makes a pass not tested.
    """
    adjusted = unfit_results.adjusted(result, _unfit(stage_run, result))
    result, stage_run.bench = adjusted.result, adjusted.why
    stage_run.checks = codec.encode(result.checks)
    stage_run.counters = codec.encode(result.counters)
    stage_run.numbers = result.numbers
    stage_run.refusals = codec.encode(result.refusals)
    stage_run.evidence = result.evidence
    stage_run.progress = []
    add_findings(stage_run, (*result.findings, *comparisons.findings_of(stage_run)))
    stage_run.counts = bool(cut.unjudged) or not _is_not_expected(stage_run, result)
    _end(stage_run, *_outcome(stage_run, result, cut))


def _unfit(stage_run: StageRun, result: wire.Result) -> str:
    """Why the bench could not measure during this attempt, in words; empty if it could. Makes no query if nothing in
    the result was measured against the bench."""
    if not unfit_results.may_be_affected(result):
        return ""
    if why := fitness.unfit_between(stage_run.go_at or stage_run.created_at, timezone.now()):
        return why
    nics = (stage_run.run.inventory or {}).get("nics", [])
    told = unfit_results.reported_by_agent(result) or unfit_results.common_rate(
        result, {nic["mac"].lower(): nic["pci"] for nic in nics}
    )
    return told or _busy(stage_run, result)


def _busy(stage_run: StageRun, result: wire.Result) -> str:
    """Why a slow or lossy port is measured once more, since the bench was busy though fit; else empty. Only the first
    time, and only if another attempt may follow."""
    if (
        settings.VETTING.bench.network_tries < 2
        or unfit_attempts_before(stage_run)
        or not unfit_results.blames_host(result)
    ):
        return ""
    return fitness.busy_between(stage_run.go_at or stage_run.created_at, timezone.now())


def _outcome(stage_run: StageRun, result: wire.Result, cut: received.Cut) -> tuple[Outcome, str]:
    failed = [check.reason for check in result.checks if check.outcome is wire.Outcome.FAILED]
    found = stage_run.findings.filter(severity=wire.Severity.CRITICAL)
    critical = list(found.values_list("message", flat=True)[:5])
    if critical or failed:
        said = result.reason if result.outcome is wire.Outcome.FAILED else ""
        return Outcome.FAILED, said or "; ".join(failed) or "; ".join(critical)
    if result.outcome is wire.Outcome.PASSED and cut.unjudged:
        return Outcome.NOT_TESTED, f"more was sent than is kept, and the rest was not judged: {cut.unjudged}"
    if result.outcome is wire.Outcome.PASSED and (why := _why_not_passed(stage_run, result)):
        return Outcome.NOT_TESTED, why
    if result.outcome is wire.Outcome.PASSED and is_refused_by_wipe_probe(stage_run):
        return Outcome.NOT_TESTED, result.reason or "the wipe probe refused a disk (gate 3)"
    if _is_called_not_expected(result) and stage_run.counts:
        return (
            Outcome.NOT_TESTED,
            "nothing was tested, and neither spec nor inventory says that there is nothing to test",
        )
    return Outcome(result.outcome), result.reason


def _why_not_passed(stage_run: StageRun, result: wire.Result) -> str:
    run = stage_run.run
    wanted = required_checks.of_stage(stage_run.name, run.profile, run.expected)
    return required_checks.why_not_passed(result, wanted, (run.expected or {}).get("not_expected") or [])


def _is_not_expected(stage_run: StageRun, result: wire.Result) -> bool:
    """Whether the stage has nothing to test here: the agent says so, and spec or inventory agree."""
    run = stage_run.run
    said = _is_called_not_expected(result)
    return said and required_checks.is_not_expected(stage_run.name, result, run.expected, run.inventory)


def _is_called_not_expected(result: wire.Result) -> bool:
    return result.outcome is wire.Outcome.NOT_TESTED and result.cause is wire.Cause.NOT_EXPECTED


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


def skipped(run: Run) -> Skipped | None:
    """Why the stage that the run is in is skipped; None if it runs."""
    stage = BY_NAME[run.state]
    if stage.owner is Owner.ORCHESTRATOR:
        return None
    if stage.name not in run.profile.get("stages", {}):
        return Skipped(f"not in profile {run.profile_name}")
    if stage.topic and stage.topic in (run.expected or {}).get("not_expected", []):
        return Skipped("not expected here")
    if stage.writes and disk_writes.writes(run.profile) and has_failed(run):
        return AFTER_A_FAILURE
    return None


def has_failed(run: Run) -> bool:
    """Whether the newest attempt of any stage in this boot has failed. Earlier boots do not count: after a boot all
    stages are tested again."""
    rows = run.stage_runs.filter(boot=claimed_boot(run)).order_by("attempt")
    newest = dict(rows.values_list("name", "outcome"))
    return Outcome.FAILED in newest.values()


def _end(stage_run: StageRun, outcome: str, reason: str) -> None:
    stage_run.outcome, stage_run.reason, stage_run.ended_at = outcome, bounds.SENTENCE.cut(reason), timezone.now()
    stage_run.save()
