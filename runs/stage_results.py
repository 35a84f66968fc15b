"""Judge the result of an attempt, and keep it in the attempt's row."""

from __future__ import annotations

from django.conf import settings
from django.utils import timezone

from agent.contract import codec, wire
from runs import received, stage_rows
from runs.bench import fitness, unfit_results
from runs.judging import comparisons, required_checks
from runs.models import Outcome, StageRun
from runs.stages import BY_NAME


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
    stage_rows.add_findings(stage_run, (*result.findings, *comparisons.findings_of(stage_run)))
    stage_run.counts = bool(cut.unjudged) or not _is_not_expected(stage_run, result)
    stage_rows.finish(stage_run, *_outcome(stage_run, result, cut))


def is_to_be_repeated(stage_run: StageRun) -> bool:
    """Whether the bench could not measure this attempt, and another one follows."""
    if not (stage_run.bench and stage_run.go_at and BY_NAME[stage_run.name].shares_link):
        return False
    spoilt = stage_run.outcome == Outcome.NOT_TESTED
    return spoilt and stage_rows.unfit_attempts_before(stage_run) + 1 < settings.VETTING.bench.network_tries


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
        or stage_rows.unfit_attempts_before(stage_run)
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
    if result.outcome is wire.Outcome.PASSED and stage_rows.is_refused_by_wipe_probe(stage_run):
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
