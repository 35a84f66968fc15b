"""The stages that need no agent: SpecValidate, Reporting, and those that are skipped. They are done inside the call
that moved the run to them."""

from __future__ import annotations

from dataclasses import dataclass

from agent.contract import codec, wire
from agent.contract.stage_spec import Owner
from hosts import bounds, expectations
from runs import disk_writes, left_out, stage_results, stage_rows, transition
from runs.judging import specdiff
from runs.machine import STAGE_STATES, Event, State
from runs.models import Actor, Outcome, Run, SpecDiff, StageRun
from runs.stages import BY_NAME

_WHO = "orchestrator"


@dataclass(frozen=True)
class Skipped:
    """Why a stage is skipped. If it `counts`, the run can't pass without it. A stage that is not in the profile, or not
    expected on this host, does not count."""

    reason: str
    counts: bool = False


AFTER_A_FAILURE = Skipped("it writes to disks, and no stage writes after a failed one", counts=True)


def advance(run: Run) -> None:
    """Move the run on until it is in a stage for the agent, or has stopped. In the caller's transaction."""
    while run.state in STAGE_STATES:
        stage_run = stage_rows.current(run)
        if stage_run is None or not _done_here(run, stage_run):
            return
        if stage_run.by_retry:
            stage_rows.tell_retry(run)


def _done_here(run: Run, stage_run: StageRun) -> bool:
    """End the attempt and move the run on, if that needs no agent."""
    if why := skipped(run):
        stage_rows.skip(stage_run, why.reason, counts=why.counts)
        _move(run, Event.STAGE_DONE, why.reason)
    elif run.state == State.SPEC_VALIDATE:
        _spec_validate(run, stage_run)
    elif run.state == State.REPORTING:
        _reporting(run, stage_run)
    else:
        return False
    return True


def skipped(run: Run) -> Skipped | None:
    """Why the stage that the run is in is skipped; None if it runs."""
    stage = BY_NAME[run.state]
    if stage.owner is Owner.ORCHESTRATOR:
        return None
    if stage.name not in run.frozen.stages:
        return Skipped(f"not in profile {run.profile_name}")
    if stage.topic and stage.topic in (run.expected or {}).get("not_expected", []):
        return Skipped("not expected here")
    if stage.writes and disk_writes.writes(run.profile) and stage_rows.has_failed(run):
        return AFTER_A_FAILURE
    return None


def after_stage(run: Run, stage_run: StageRun, *, who: str) -> None:
    """An attempt has ended: apply the event of its outcome, then move the run on."""
    _apply_outcome(run, stage_run, who=who)
    advance(run)


def _apply_outcome(run: Run, stage_run: StageRun, *, who: str) -> None:
    event = event_of(run, stage_run)
    if event is Event.STAGE_DONE and stage_run.outcome == Outcome.FAILED:
        transition.write_event(
            run, "stage_failed", actor=Actor.AGENT, who=who, text=sentence(stage_run), tells="StageFailed"
        )
    if event not in (Event.STAGE_DONE, Event.BENCH_UNFIT):
        run.stopped_by = sentence(stage_run)
        run.save(update_fields=["stopped_by"])
    transition.apply(run, event, actor=Actor.AGENT, who=who, why=sentence(stage_run))


def event_of(run: Run, stage_run: StageRun) -> Event:
    """The event of an attempt's outcome. A failed stage stops the run, unless the profile says to continue. A refusal
    by the wipe probe always stops it. What the bench could not measure is repeated."""
    if stage_run.outcome == Outcome.FAILED:
        return Event.STAGE_DONE if run.frozen.goes_on else Event.STAGE_FAILED
    if stage_rows.is_refused_by_wipe_probe(stage_run):
        return Event.STAGE_REFUSED
    if stage_results.is_to_be_repeated(stage_run):
        return Event.BENCH_UNFIT
    return Event.STAGE_DONE


def sentence(stage_run: StageRun) -> str:
    """The attempt's outcome, such as `Storage attempt 2: failed, sda: 2 unreadable sectors`."""
    finding = stage_run.findings.filter(severity=wire.Severity.CRITICAL).first()
    detail = finding.message if finding else _found_by_the_probe(stage_run) or stage_run.reason
    attempt = f" attempt {stage_run.attempt}" if stage_run.attempt > 1 else ""
    outcome = stage_run.get_outcome_display().lower()
    return f"{BY_NAME[stage_run.name].title}{attempt}: {outcome}" + (f", {detail}" if detail else "")


def _found_by_the_probe(stage_run: StageRun) -> str:
    serials = stage_rows.found_data_on(stage_run)
    return f"the wipe probe found data on {', '.join(serials)}" if serials else ""


def _spec_validate(run: Run, stage_run: StageRun) -> None:
    if not expectations.names_parts(run.expected):
        lacks = "no expected spec" if run.expected is None else "the expected spec names no part"
        stage_rows.finish(stage_run, Outcome.NOT_TESTED, f"{lacks}: adopt what was found, or enter one")
    elif run.inventory is None:
        stage_rows.finish(stage_run, Outcome.NOT_TESTED, "there is no inventory to compare with")
    else:
        _compare(run, stage_run)
    _apply_outcome(run, stage_run, who=_WHO)


@dataclass(frozen=True)
class Compared:
    """The comparison of a spec with an inventory: outcome and reason of SpecValidate, and the differences."""

    outcome: Outcome
    reason: str
    differences: list[specdiff.Difference]


def compare(expected: specdiff.Spec | None, inventory: wire.Inventory) -> Compared:
    """Failed if a difference is critical; not tested if the inventory can't answer something that the spec states."""
    differences, unanswered = specdiff.compare(expected, inventory), specdiff.not_compared(expected, inventory)
    critical = [d for d in differences if d.severity == wire.Severity.CRITICAL]
    found = "1 difference" if len(differences) == 1 else f"{len(differences)} differences"
    words = f"{found}, {len(critical)} critical" if differences else "all as expected"
    outcome = Outcome.FAILED if critical else Outcome.NOT_TESTED if unanswered else Outcome.PASSED
    reason = "; ".join([words, *unanswered] if differences else unanswered or [words])
    return Compared(outcome, reason, differences)


def finding(difference: specdiff.Difference) -> wire.Finding:
    return wire.Finding(
        difference.code,
        difference.severity,
        difference.component_kind,
        difference.component,
        difference.message,
        _scalar(difference.actual),
        _scalar(difference.expected),
        difference.unit,
    )


def _compare(run: Run, stage_run: StageRun) -> None:
    compared = compare(run.expected, codec.decode(wire.Inventory, run.inventory))
    critical = [d for d in compared.differences if d.severity == wire.Severity.CRITICAL]
    _keep(run, stage_run, compared.differences)
    if critical:
        transition.write_event(
            run,
            "spec_mismatch",
            actor=Actor.AGENT,
            who=_WHO,
            text="; ".join(d.message for d in critical[:5]),
            tells="SpecMismatch",
        )
    stage_rows.finish(stage_run, compared.outcome, compared.reason)


def _keep(run: Run, stage_run: StageRun, differences: list[specdiff.Difference]) -> None:
    """Keep the differences. If there are too many, keep the critical ones first."""
    most = bounds.DIFFERENCES.most
    by_weight = sorted(differences, key=lambda one: one.severity != wire.Severity.CRITICAL)
    kept = differences if len(differences) <= most else by_weight[:most]
    rows = [_row(run, stage_run, one) for one in kept]
    SpecDiff.objects.bulk_create(rows, batch_size=100)
    stage_rows.add_findings(stage_run, map(finding, kept[: bounds.FINDINGS.most]))
    if lost := len(differences) - len(kept):
        left_out.count_more(run, "differences", lost, stage_run)
    if (lost := len(differences) - bounds.FINDINGS.most) > 0:
        left_out.count_more(run, "findings", lost, stage_run)


def _row(run: Run, stage_run: StageRun, difference: specdiff.Difference) -> SpecDiff:
    return SpecDiff(
        run=run,
        stage_run=stage_run,
        path=difference.path[:200],
        severity=difference.severity,
        expected=difference.expected,
        actual=difference.actual,
        message=difference.message,
    )


def _reporting(run: Run, stage_run: StageRun) -> None:
    """End the run. One that continued after a failed stage fails here, and holds."""
    rows = run.stage_runs.exclude(pk=stage_run.pk).order_by("attempt")
    newest = dict(rows.values_list("name", "outcome"))
    failed = [BY_NAME[name].title for name, outcome in newest.items() if outcome == Outcome.FAILED]
    stage_rows.finish(stage_run, Outcome.PASSED, f"failed stages: {', '.join(failed)}" if failed else "")
    if failed:
        run.stopped_by = f"{', '.join(failed)} failed, and the run went on to the end"
        run.save(update_fields=["stopped_by"])
    _move(run, Event.STAGE_FAILED if failed else Event.STAGE_DONE, run.stopped_by)


def _move(run: Run, event: Event, why: str) -> None:
    transition.apply(run, event, actor=Actor.WORKER, who=_WHO, why=why)


def _scalar(value: object) -> float | str | None:
    if value is None or isinstance(value, float | str):
        return value
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else str(value)
