"""One attempt of one stage: what may stop it, the error counters around it, and the result made of both."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Mapping
from functools import partial

from agent.contract import wire
from agent.counters import (
    corrected_memory,
    counter_checks,
    counting,
    error_bounds,
    gpu_after_xid,
    lowered_severity,
    pcie_ends,
    replaced_dimms,
    sources,
    sysfs_counters,
)
from agent.counters.boot_disk_errors import BootDiskErrors
from agent.host.stop import StopFlag, Stopped
from agent.reports import refusing_drives
from agent.runtime import Runtime, Stage
from agent.stage import Settled, StageContext, StageReport, settle

EVIDENCE_CAP_CHARS = 64 * 1024
# The orchestrator accepts messages of 2 MiB. JSON inside of JSON is quoted, and some of its characters double.
EVIDENCE_CHARS = 1024 * 1024


class Attempt:
    """An attempt that runs now. `key` is its stage and number. `stop` ends it early. `hot` holds the findings for which
    the side-car stopped it. `tested` is set when the load is off and only the error counters are still to be read.
    `abandoned` means that nobody waits for its result any more."""

    def __init__(self, order: wire.StageOrder) -> None:
        self.order = order
        self.key = (order.name, order.attempt)
        self.stop = StopFlag()
        self.hot: list[wire.Finding] = []
        self.tested = threading.Event()
        self.thread: threading.Thread | None = None
        self.abandoned = False

    def abandon(self, why: str) -> None:
        """Stop the attempt and drop its result. The next attempt judges what was counted meanwhile."""
        self.abandoned = True
        self.stop.set(why)

    def too_hot(self, finding: wire.Finding) -> bool:
        """Stop the attempt because a part is too hot. Returns whether the finding is new: each part is reported once.
        An attempt that was stopped for another reason takes no finding, since its load is off already."""
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
    """Run the stage to its end, with the error counters read before and after it. Returns None for an attempt that was
    abandoned meanwhile."""
    started, began = time.time(), time.monotonic()
    runtime.book.open_stage()
    carried = error_bounds.carried(runtime.names())
    tests_began = time.monotonic()
    report = _report(runtime.stages, context)
    tested_s = time.monotonic() - tests_began
    attempt.tested.set()
    if attempt.abandoned:
        return None
    if report.inventory is not None:
        runtime.keep_inventory(report.inventory)
    sysfs_counters.poll_machine_checks_often(runtime.root)
    deltas = runtime.book.close_stage()
    around = _findings_around(context, report.inventory or context.inventory, deltas, time.monotonic() - began, runtime)
    refusing = refusing_drives.among(around, runtime.book)
    report, around = refusing_drives.excused(report, refusing), refusing_drives.lowered(around, refusing)
    around_s = time.monotonic() - began - tested_s
    context.log("info", f"the tests took {tested_s:.2f} s, the error counters around them {around_s:.2f} s")
    now = error_bounds.carried(runtime.names())
    bounds = error_bounds.bounds(carried, now, runtime.book.counts, deltas)
    return _result(context, report, deltas, [*attempt.hot, *around], runtime, bounds, (started, time.time()))


def _findings_around(
    context: StageContext,
    inventory: wire.Inventory | None,
    deltas: list[wire.CounterDelta],
    duration_s: float,
    runtime: Runtime,
) -> list[wire.Finding]:
    """Findings from the error counters and the kernel's log since the last stage, at the severity they have here."""
    limits = {**context.claim.sensor_limits, **context.order.limits}
    counted = counting.judged(deltas, limits, duration_s, partial(sources.said, root=runtime.root))
    ordered = [order.name for order in context.claim.stages]
    logged = BootDiskErrors(runtime.directory).judge(context.order, ordered, runtime.kernel_log.take(runtime.names()))
    counted = lowered_severity.lower_explained_machine_checks(counted, logged)
    seen = corrected_memory.with_limit([*counted, *logged], limits, duration_s)
    merged = counting.merged([*seen, *gpu_after_xid.states(logged)])
    found = [pcie_ends.named(one, runtime.root) for one in merged]
    found = lowered_severity.lower_for_ports(context.order.name, context.claim.expected, found, runtime.book.ports)
    return replaced_dimms.with_stricter_limit(found, context.claim.expected, inventory, limits)


def too_hot_result(attempt: Attempt, boot_id: str) -> wire.Result:
    """The result of an attempt that was stopped because a part was near its critical temperature, and that did not end
    in time."""
    why = "; ".join(finding.message for finding in attempt.hot)
    ended = time.time()
    return wire.Result(boot_id, *attempt.key, wire.Outcome.FAILED, why, ended, ended, findings=list(attempt.hot))


def _report(stages: Mapping[str, Stage], context: StageContext) -> StageReport:
    """The stage's report. An error in our code makes the stage not tested, never failed, and the trace is kept as
    evidence."""
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
    bounds: list[error_bounds.Bound],
    times: tuple[float, float],
) -> wire.Result:
    available, not_expected = runtime.kernel_log.available, context.claim.not_expected
    checks = counter_checks.made(seen, runtime.book, available, not_expected, bounds)
    settled = _settled(context, report, checks, [*report.findings, *seen])
    return wire.Result(
        boot_id=runtime.identity.boot_id,
        stage=context.order.name,
        attempt=context.order.attempt,
        outcome=settled.outcome,
        reason=settled.reason,
        started=times[0],
        ended=times[1],
        checks=[*report.checks, *checks],
        findings=[*report.findings, *seen],
        counters=deltas,
        numbers=report.numbers | error_bounds.numbers(bounds),
        refusals=report.refusals,
        inventory=report.inventory,
        evidence=_bounded(report.evidence),
        cause=settled.cause,
    )


def _settled(
    context: StageContext, report: StageReport, checks: list[wire.Check], found: list[wire.Finding]
) -> Settled:
    """A critical finding fails the stage, no matter what reported it. A required counter that this host lacks leaves
    the stage not tested."""
    critical = [one.message for one in found if one.severity is wire.Severity.CRITICAL]
    if report.outcome is wire.Outcome.FAILED or critical:
        why = report.reason if report.outcome is wire.Outcome.FAILED else "; ".join(critical[:5])
        return Settled(wire.Outcome.FAILED, why)
    if report.outcome is wire.Outcome.NOT_TESTED:
        return Settled(report.outcome, report.reason, report.cause)
    return _with_counters(context, report, checks)


def _with_counters(context: StageContext, report: StageReport, checks: list[wire.Check]) -> Settled:
    required = [name for name in context.order.required if name.startswith(wire.COUNTER_CHECKS)]
    unknown = sorted(set(required) - {check.name for check in checks})
    if unknown:
        return Settled(wire.Outcome.NOT_TESTED, f"this agent has no check {', '.join(unknown)}")
    settled = settle(checks, required, context.claim.not_expected)
    if required and settled.outcome is not wire.Outcome.PASSED:
        return settled
    return Settled(report.outcome, report.reason)


def _bounded(evidence: dict[str, str]) -> dict[str, str]:
    """Each text cut to its beginning and end, so that all of them fit into one message."""
    cap = min(EVIDENCE_CAP_CHARS, EVIDENCE_CHARS // max(1, len(evidence)))
    return {name: _cut(text, cap) for name, text in evidence.items()}


def _cut(text: str, cap: int) -> str:
    return text if len(text) <= cap else text[: cap // 2] + "\n[…]\n" + text[-(cap // 2) :]
