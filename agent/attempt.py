"""One attempt of one stage: the error counters around it, what may stop it, and the result it all adds up
to."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from agent.contract import wire
from agent.counters import counting, exclusions, gpu_after_xid, replaced_parts, sources, sysfs_counters
from agent.counters.boot_disk_errors import EarlyErrors
from agent.counters.counting import CounterBook
from agent.host.stop import StopFlag, Stopped
from agent.runtime import Runtime, Stage
from agent.stage import StageContext, StageReport, settle

EVIDENCE_CAP_CHARS = 64 * 1024
# The orchestrator takes messages of 2 MiB; what a drive says as JSON is quoted once more, and some of it doubles.
EVIDENCE_CHARS = 1024 * 1024


@dataclass(frozen=True)
class Watched:
    """A check that the runtime makes in every stage: was anything counted, and was there something to
    count with."""

    name: str
    topic: str
    counters: tuple[str, ...]
    codes: tuple[str, ...]
    absent: str


WATCHED: tuple[Watched, ...] = (
    Watched("edac", "ecc", ("edac.",), ("memory.",), "no memory controller reports errors here (EDAC)"),
    Watched("pcie", "aer", ("aer.",), ("pcie.",), "no PCIe device reports errors here (AER)"),
    # AMD's CPUs throttle without counting it; their temperatures are still there to be judged.
    Watched("thermal", "throttling", ("throttle",), ("thermal.",), "the CPU counts no throttling here"),
    Watched("disks", "smart", ("smart.",), ("smart.", "disk."), "no disk here counts its errors"),
    Watched("nics", "network", ("nic.",), ("nic.",), "no network port here counts its errors"),
    Watched("gpus", "gpu", ("gpu.",), ("gpu.",), "no GPU here counts its errors"),
    Watched("bmc", "bmc", ("bmc.",), ("bmc.", "psu.", "fan."), "no BMC here tells of events"),
    Watched("mce", "mce", ("mce.",), ("cpu.machine_check",), "the kernel counts no machine checks here"),
)
# Topic → the word of `not_expected` that takes it in: a host without thermal sensors counts no throttling either.
WIDER = {"throttling": "thermal"}


class Attempt:
    """What runs now. `key` is stage and attempt; `stop` ends it early; `hot` is what the side-car ended it for;
    `tested` is set when the load is off, and only the error counters are still read."""

    def __init__(self, order: wire.StageOrder) -> None:
        self.order = order
        self.key = (order.name, order.attempt)
        self.stop = StopFlag()
        self.hot: list[wire.Finding] = []
        self.tested = threading.Event()
        self.thread: threading.Thread | None = None
        self.left_behind = False

    def leave(self, why: str) -> None:
        """Stop it and forget it: what was counted meanwhile is for whoever comes next to judge."""
        self.left_behind = True
        self.stop.set(why)

    def too_hot(self, finding: wire.Finding) -> bool:
        """Stop the load first, report after. Every part that is too hot is kept, once; whether it is news is the
        answer. A stage that was stopped for another reason has no load any more, and nothing is added to it."""
        if self.stop.is_set() and not self.hot:
            return False
        if any(_same_part(finding, known) for known in self.hot):
            return False
        self.hot.append(finding)  # before the stage wakes: its result is made of this list
        self.stop.set(finding.message)
        return True


def _same_part(one: wire.Finding, other: wire.Finding) -> bool:
    return (one.component_kind, one.component) == (other.component_kind, other.component)


def carry_out(attempt: Attempt, context: StageContext, runtime: Runtime) -> wire.Result | None:
    """Run the stage to its end, whatever happens in it. None for one that was left behind."""
    started, began = time.time(), time.monotonic()
    runtime.book.open_stage()
    tests_began = time.monotonic()
    report = _report(runtime.stages, context)
    tested_s = time.monotonic() - tests_began
    attempt.tested.set()
    if attempt.left_behind:
        return None
    if report.inventory is not None:
        runtime.keep_inventory(report.inventory)
    sysfs_counters.poll_machine_checks_often(runtime.root)
    deltas = runtime.book.close_stage()
    limits = {**context.claim.sensor_limits, **context.order.limits}
    counted = counting.judged(deltas, limits, time.monotonic() - began, sources.said)
    ordered = [order.name for order in context.claim.stages]
    said = EarlyErrors(runtime.directory).judge(context.order, ordered, runtime.kernel_log.take(runtime.names()))
    merged = counting.merged([*exclusions.without_echo(counted, said), *said, *gpu_after_xid.states(said)])
    excused = exclusions.excused(context.order.name, context.claim.expected, merged)
    watched = replaced_parts.judged(excused, context.claim.expected, report.inventory or context.inventory, limits)
    around_s = time.monotonic() - began - tested_s
    context.log("info", f"the tests took {tested_s:.2f} s, the error counters around them {around_s:.2f} s")
    return _result(context, report, deltas, [*attempt.hot, *watched], runtime, (started, time.time()))


def too_hot_result(attempt: Attempt, boot_id: str) -> wire.Result:
    """For an attempt that was stopped because a part was near its critical limit, and did not end in time."""
    why = "; ".join(finding.message for finding in attempt.hot)
    ended = time.time()
    return wire.Result(boot_id, *attempt.key, wire.Outcome.FAILED, why, ended, ended, findings=list(attempt.hot))


def _report(stages: Mapping[str, Stage], context: StageContext) -> StageReport:
    """A fault of ours is never the host's: it makes the stage not tested, and the trace is evidence."""
    if context.order.name not in stages:
        return StageReport(wire.Outcome.NOT_TESTED, f"this agent has no stage {context.order.name}")
    try:
        return stages[context.order.name](context)
    except Stopped as stopped:
        return StageReport(wire.Outcome.NOT_TESTED, f"stopped: {stopped}")
    except Exception as error:
        trace = traceback.format_exc()
        context.log("error", trace)
        why = f"the agent failed, not the host: {type(error).__name__}: {error}"
        return StageReport(wire.Outcome.NOT_TESTED, why, evidence={"agent-error.txt": trace})


def _result(
    context: StageContext,
    report: StageReport,
    deltas: list[wire.CounterDelta],
    seen: list[wire.Finding],
    runtime: Runtime,
    times: tuple[float, float],
) -> wire.Result:
    checks = [_excusable(check, context.claim.not_expected) for check in _checks(seen, runtime)]
    outcome, reason = _outcome(context, report, checks, [*report.findings, *seen])
    return wire.Result(
        boot_id=runtime.identity.boot_id,
        stage=context.order.name,
        attempt=context.order.attempt,
        outcome=outcome,
        reason=reason,
        started=times[0],
        ended=times[1],
        checks=[*report.checks, *checks],
        findings=[*report.findings, *seen],
        counters=deltas,
        numbers=report.numbers,
        refusals=report.refusals,
        inventory=report.inventory,
        evidence=_bounded(report.evidence),
    )


def _outcome(
    context: StageContext, report: StageReport, checks: list[wire.Check], found: list[wire.Finding]
) -> tuple[wire.Outcome, str]:
    """A critical finding fails the stage, whoever made it; a required counter that isn't there leaves it
    not tested."""
    critical = [one.message for one in found if one.severity is wire.Severity.CRITICAL]
    if report.outcome is wire.Outcome.FAILED or critical:
        return wire.Outcome.FAILED, report.reason if report.outcome is wire.Outcome.FAILED else "; ".join(critical[:5])
    if report.outcome is wire.Outcome.NOT_TESTED:
        return report.outcome, report.reason
    return _with_counters(context, report, checks)


def _with_counters(context: StageContext, report: StageReport, checks: list[wire.Check]) -> tuple[wire.Outcome, str]:
    required = [name for name in context.order.required if name.startswith(wire.COUNTER_CHECKS)]
    unknown = sorted(set(required) - {check.name for check in checks})
    if unknown:
        return wire.Outcome.NOT_TESTED, f"this agent has no check {', '.join(unknown)}"
    outcome, reason = settle(checks, required, context.claim.not_expected)
    if required and outcome is not wire.Outcome.PASSED:
        return outcome, reason
    return report.outcome, report.reason


def _checks(seen: list[wire.Finding], runtime: Runtime) -> list[wire.Check]:
    made = [_check(watched, seen, runtime.book) for watched in WATCHED]
    return [*made, _kernel_check(seen, runtime.kernel_log.available)]


def _excusable(check: wire.Check, not_expected: Collection[str]) -> wire.Check:
    wider = WIDER.get(check.topic, "")
    return replace(check, topic=wider) if wider in not_expected else check


def _check(watched: Watched, seen: list[wire.Finding], book: CounterBook) -> wire.Check:
    name = wire.COUNTER_CHECKS + watched.name
    bad = [one for one in seen if one.code.startswith(watched.codes) and one.severity is wire.Severity.CRITICAL]
    if bad:
        return wire.Check(name, wire.Outcome.FAILED, bad[0].message, bad[0].component, watched.topic)
    if lost := sorted(counter for counter in book.lost if counter.startswith(watched.counters)):
        why = f"could not be read again after the stage: {', '.join(lost)}"
        return wire.Check(name, wire.Outcome.NOT_TESTED, why, topic=watched.topic)
    if not any(book.has(beginning) for beginning in watched.counters):
        return wire.Check(name, wire.Outcome.NOT_TESTED, watched.absent, topic=watched.topic)
    return wire.Check(name, wire.Outcome.PASSED, topic=watched.topic)


def _kernel_check(seen: list[wire.Finding], available: bool) -> wire.Check:
    """A log of which a part was overwritten may have said anything there."""
    name, topic = f"{wire.COUNTER_CHECKS}kernel_log", "kernel_log"
    said = [one for one in seen if one.severity is wire.Severity.CRITICAL and one.unit == "messages"]
    lost = [one for one in seen if one.code == "system.kernel_log_gap"]
    if said:
        return wire.Check(name, wire.Outcome.FAILED, said[0].message, said[0].component, topic)
    if lost or not available:
        why = lost[0].message if lost else "the kernel's log can't be read"
        return wire.Check(name, wire.Outcome.NOT_TESTED, why, topic=topic)
    return wire.Check(name, wire.Outcome.PASSED, topic=topic)


def _bounded(evidence: dict[str, str]) -> dict[str, str]:
    """The beginning and the end of each, so that all of them fit into one message."""
    cap = min(EVIDENCE_CAP_CHARS, EVIDENCE_CHARS // max(1, len(evidence)))
    return {name: _cut(text, cap) for name, text in evidence.items()}


def _cut(text: str, cap: int) -> str:
    return text if len(text) <= cap else text[: cap // 2] + "\n[…]\n" + text[-(cap // 2) :]
