"""Every pass has its evidence, and no disk was written without its gates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Max, Prefetch

from agent.contract import codec, wire
from agent.contract.stage_spec import Owner, RequiredCheck
from runs import disk_writes, stage_rows
from runs.frozen_profile import FrozenStage
from runs.invariants.kinds import Broken, Invariant, Scope
from runs.judging import required_checks, verdict
from runs.judging.verdict import Seen, StageOutcome
from runs.machine import LIVE, State
from runs.models import Finding, Outcome, Run, Severity, StageRun, Verdict
from runs.stages import BY_NAME

WRITTEN, LEFT = "written_mb.", "storage.patterns_left"
_AT_ONCE = 200


def _no_evidence(scope: Scope) -> Iterator[Broken]:
    """For each run, compute the verdict from the rows again, and check that each passed stage has its required
    checks."""
    newer = _last_migrated()
    passed = scope.runs().filter(verdict=Verdict.PASSED).light("profile", "expected")
    for run in passed.prefetch_related("stage_runs", "findings__stage_run").iterator(_AT_ONCE):
        for what in _contradictions(run, all_required=newer is None or run.created_at > newer):
            yield Broken(run.pk, what)


def _contradictions(run: Run, *, all_required: bool) -> Iterator[str]:
    if run.state != State.COMPLETED:
        yield f"its verdict is passed and its state {run.state}"
    rows = [row for row in run.stage_runs.all() if row.name != State.REPORTING]
    attempts = [StageOutcome(row.name, row.attempt, row.boot, row.outcome, row.counts) for row in rows]
    seen = [Seen(f.stage_run.name, f.stage_run.attempt, f.severity, f.component) for f in run.findings.all()]
    again = verdict.verdict(attempts, seen, bench_error=run.bench_error, wanted=run.frozen.stages)
    if again is not Verdict.PASSED:
        yield f"its verdict is passed; by its stages and findings it should be {again}"
    for row in rows:
        if row.outcome == Outcome.PASSED and (why := _why_not_passed(run, row, all_required)):
            yield f"{row.name} attempt {row.attempt} counts as passed; {why}"


def _why_not_passed(run: Run, row: StageRun, all_required: bool) -> str:
    """For a run from before the last upgrade, only the checks that its own profile required: others came with newer
    code."""
    if BY_NAME[row.name].owner is Owner.ORCHESTRATOR:
        return ""
    result = wire.Result("", row.name, row.attempt, wire.Outcome.PASSED, "", 0.0, 0.0, checks=_checks(row.checks))
    required = (
        required_checks.of_stage(row.name, run.profile, run.expected) if all_required else _required(run, row.name)
    )
    return required_checks.why_not_passed(result, required, (run.expected or {}).get("not_expected") or [])


def _required(run: Run, name: str) -> list[RequiredCheck]:
    stage = run.frozen.stages.get(name, FrozenStage())
    return [RequiredCheck(one, topic=one.partition(".")[0]) for one in stage.required]


def _checks(rows: Iterable[dict[str, Any]]) -> list[wire.Check]:
    return [codec.decode(wire.Check, row) for row in rows]


def _last_migrated() -> datetime | None:
    """When the last migration ran; older rows may come from an older version."""
    rows = MigrationRecorder.Migration.objects.filter(app="runs")
    last: datetime | None = rows.aggregate(last=Max("applied"))["last"]
    return last


def _no_verdict(scope: Scope) -> Iterator[Broken]:
    unjudged = {*LIVE, State.CANCELLED}
    for pk, state in scope.runs().filter(verdict="").exclude(state__in=unjudged).values_list("pk", "state"):
        yield Broken(pk, f"it is {state} and has no verdict")
    for pk, state, said in (
        scope.runs().filter(state__in=unjudged).exclude(verdict="").values_list("pk", "state", "verdict")
    ):
        yield Broken(pk, f"it is {state} and has the verdict {said}")


def _without_gates(scope: Scope) -> Iterator[Broken]:
    left = Prefetch("findings", Finding.objects.filter(code=LEFT), to_attr="left")
    rows = StageRun.objects.filter(name=State.STORAGE, **scope.of_runs()).select_related("run").order_by("id")
    rows = rows.defer("progress", "counters", "evidence", "run__inventory", "run__expected").prefetch_related(left)
    for row in rows.iterator(_AT_ONCE):
        for serial in _written(row):
            for gate, why in _gates_missed(row, serial):
                yield Broken(row.run_id, f"attempt {row.attempt} wrote to disk {serial}: gate {gate}, {why}")


def _written(row: StageRun) -> list[str]:
    """Serial numbers of the disks that the attempt reports as written."""
    left = {finding.component for finding in row.left}  # type: ignore[attr-defined]  # Prefetch puts it there
    return sorted(_verified(row) | _tested(row, "failed") | {serial for serial in left if serial})


def _verified(row: StageRun) -> set[str]:
    """The disks that the agent of the result has written to, and those that an earlier agent of the same attempt wrote
    to and that were granted again."""
    amounts = {name.removeprefix(WRITTEN): mb for name, mb in row.numbers.items() if name.startswith(WRITTEN)}
    return {serial for serial, mb in amounts.items() if mb} | _tested(row, "passed")


def _tested(row: StageRun, outcome: str) -> set[str]:
    made = [one["component"] for one in row.checks if (one["name"], one["outcome"]) == ("verified_write", outcome)]
    return {serial for serial in made if serial}


def _was_refused(row: StageRun, serial: str) -> bool:
    """Whether the disk was written although the wipe probe refused it. An agent that restarts in the middle of a write
    probes again: that probe may refuse, while the result also reports the write of the agent before it."""
    return stage_rows.is_refused_by_wipe_probe(row) and (not row.restarts or serial in _verified(row))


def _gates_missed(row: StageRun, serial: str) -> Iterator[tuple[wire.Gate, str]]:
    run = row.run
    if not run.boots.filter(number=row.boot, claimed_at__isnull=False).exists():
        yield wire.Gate.RUN_TOKEN, f"boot {row.boot} was never claimed"
    if _was_refused(row, serial):
        yield wire.Gate.WIPE_PROBE, "the wipe probe refused a disk in this attempt"
    if not any(disk["serial"] == serial and disk["may_be_written"] for disk in run.disks):
        yield wire.Gate.DEVICES, "the run's list does not allow this disk to be written"
    if not run.destructive_allowed:
        yield wire.Gate.DESTRUCTIVE_MODE, "the host does not allow destructive tests"
    if not disk_writes.writes(run.profile):
        yield wire.Gate.DESTRUCTIVE_MODE, "the profile does not write"


def _unasked_overrides(scope: Scope) -> Iterator[Broken]:
    """Each override is in the history and belongs to a list that was shown."""
    for run in scope.runs().filter(overrides__isnull=False).distinct().prefetch_related("overrides", "stage_runs"):
        told = run.events.filter(kind="override").count()
        if told < len(run.overrides.all()):
            yield Broken(run.pk, f"{len(run.overrides.all())} overrides of the wipe probe, {told} in its history")
        for given in run.overrides.all():
            shown = (row for row in run.stage_runs.all() if (row.name, row.attempt) == (given.stage, given.attempt - 1))
            digests = {one["digest"] for row in shown for one in row.refusals if one["serial"] == given.serial}
            if given.digest not in digests:
                yield Broken(
                    run.pk, f"the override of disk {given.serial} belongs to no list of attempt {given.attempt - 1}"
                )


def _warned(scope: Scope) -> Iterator[Broken]:
    """A critical finding in a passed attempt."""
    wrong = StageRun.objects.filter(
        outcome=Outcome.PASSED, findings__severity=Severity.CRITICAL, **scope.of_runs()
    ).distinct()
    for run, name, attempt in wrong.values_list("run_id", "name", "attempt"):
        yield Broken(run, f"{name} attempt {attempt} is passed and has a critical finding")


_AGAIN = "Don't rely on this result: vet the host again. This is our bug: report it with the run's report."
ALL = (
    Invariant(
        "passed_with_evidence",
        "A run that is called passed has every stage of its profile passed, with every required check.",
        f"A bad host may have passed. {_AGAIN}",
        _no_evidence,
    ),
    Invariant(
        "no_critical_in_passed",
        "An attempt that passed has no critical finding.",
        f"A bad host may have passed. {_AGAIN}",
        _warned,
    ),
    Invariant(
        "verdict_when_over",
        "A run has a verdict exactly when it is over and was not cancelled.",
        f"The host's health may be out of date. {_AGAIN}",
        _no_verdict,
    ),
    Invariant(
        "written_through_gates",
        "No disk was written without every gate that docs/safety.md names.",
        "A disk may have been wiped that should not have been: stop vetting with writing profiles, look at the disk, "
        "and report it with the run's report and log.",
        _without_gates,
    ),
    Invariant(
        "overrides_were_asked",
        "Each override of the wipe probe is in the history and belongs to the list of the attempt before it.",
        "A disk may have been overwritten without being shown to an operator: check the disk, and report it.",
        _unasked_overrides,
    ),
)
