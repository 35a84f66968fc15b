"""Tests the tester: injects faults, which the stages' own code must report as what they are.

Each trial runs twice, without the fault and with it. A tester that passes both runs misses faults; one that fails both
gives false alarms. No disk is touched: the tool itself makes the error, or it is made in a file in memory or in a copy
of the kernel's counters.
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from agent.attempt import Attempt, carry_out
from agent.contract import codec, wire
from agent.counters import sysfs_counters
from agent.counters.component_names import Names
from agent.counters.counting import CounterBook
from agent.counters.kernel.log import KernelLog
from agent.disk_writes import verified_writes
from agent.exercises import cpu_load, memory_load
from agent.host.hold import Hold, Sshd
from agent.host.identity import Identity
from agent.host.power import Power
from agent.host.stop import StopFlag
from agent.link.client import Client
from agent.link.cmdline import Target
from agent.link.outbox import Outbox
from agent.link.results import Results
from agent.reports import checks
from agent.reports.partial_report import PartialReport
from agent.runtime import Runtime
from agent.stage import StageContext, StageMemory, StageReport

MEMORY_MB = 64
DURATION_S = 1.0
# The planned duration of the load that is stopped after DURATION_S.
LONG_S = 30.0
DIMM = "sys/devices/system/edac/mc/mc0/dimm0"
MESSAGE = "3,1,1,-;critical medium error, dev sda, sector 4096 op 0x0:(READ)\n"


@dataclass(frozen=True)
class Trial:
    """One fault. `stage` is the stage whose code is tested. `code` is the finding that must come out, '' if the fault
    must only keep the stage from passing. `run` does the stage's work, with the fault or without it."""

    name: str
    fault: str
    stage: str
    code: str
    run: Callable[[StageContext, Path, bool], StageReport]


@dataclass(frozen=True)
class TrialResult:
    """The results of both runs of a trial."""

    trial: Trial
    without_fault: wire.Result
    with_fault: wire.Result

    @property
    def trouble(self) -> str:
        """Why the trial proves nothing, or which fault the tester missed. Empty if it found the fault and only the
        fault."""
        if self.without_fault.outcome is not wire.Outcome.PASSED:
            return f"without the fault it was {self.without_fault.outcome}: {self.without_fault.reason}"
        seen = {one.code for one in self.with_fault.findings if one.severity is wire.Severity.CRITICAL}
        wanted = wire.Outcome.FAILED if self.trial.code else wire.Outcome.NOT_TESTED
        if self.with_fault.outcome is not wanted or not seen >= {self.trial.code} - {""}:
            said = ", ".join(sorted(seen)) or self.with_fault.reason or "nothing"
            return f"{self.trial.fault}: {self.with_fault.outcome} ({said}), not {wanted} ({self.trial.code})"
        return ""


def _memory(ctx: StageContext, root: Path, broken: bool) -> StageReport:
    outcome = memory_load.stress("patterns", MEMORY_MB, 1, DURATION_S, ctx.stop, [], forced=broken)
    return checks.report(ctx, [outcome.check], findings=outcome.findings)


def _disk(ctx: StageContext, root: Path, broken: bool) -> StageReport:
    return _of(ctx, verified_writes.write_in_memory(broken, ctx.stop))


def _cpu(ctx: StageContext, root: Path, broken: bool) -> StageReport:
    """stress-ng can't be made to calculate wrongly. It is stopped early instead, and then it must prove nothing."""
    stop, processors = StopFlag(), {0: sorted(os.sched_getaffinity(0))[:1]}
    end = threading.Timer(DURATION_S, stop.set, ["on purpose"])
    if broken:
        end.start()
    try:
        return _of(ctx, cpu_load.run(LONG_S if broken else DURATION_S, stop, processors))
    finally:
        end.cancel()


def _counter(ctx: StageContext, root: Path, broken: bool) -> StageReport:
    if broken:
        (root / DIMM / "dimm_ue_count").write_text("1\n")
    return checks.report(ctx, [checks.passed("patterns")])


def _kernel(ctx: StageContext, root: Path, broken: bool) -> StageReport:
    if broken:
        (root / "kmsg").write_text(MESSAGE)
    return checks.report(ctx, [checks.passed("surface")])


TRIALS: tuple[Trial, ...] = (
    Trial("memory", "stressapptest forces errors", "Memory", "memory.miscompare", _memory),
    Trial("disk", "one bit flipped between fio's writing and reading back", "Storage", "storage.corruption", _disk),
    Trial("cpu", "stress-ng is stopped in its middle", "CPUStress", "", _cpu),
    Trial("counter", "an uncorrected memory error is counted", "Memory", "memory.uncorrected", _counter),
    Trial("kernel_log", "the kernel reports a medium error", "Storage", "disk.medium_error", _kernel),
)


def run_trial(trial: Trial) -> TrialResult:
    """Both runs, each as the agent runs a stage, with counters and kernel log."""
    return TrialResult(trial, _carried_out(trial, broken=False), _carried_out(trial, broken=True))


def check(trial: Trial) -> wire.Check:
    """The check for a stage: a tester that misses faults has tested nothing."""
    result = run_trial(trial)
    if result.trouble:
        return checks.not_tested(f"tester.{trial.name}", reason=result.trouble)
    return checks.passed(f"tester.{trial.name}", reason=f"{trial.fault}: noticed")


def main() -> int:
    """Prints one JSON object per trial: `trial`, `fault`, `wants`, `trouble`, `well` (the result without the fault) and
    `broken` (with it)."""
    for trial in TRIALS:
        result = run_trial(trial)
        row = {"trial": trial.name, "fault": trial.fault, "wants": trial.code, "trouble": result.trouble}
        results = {"well": codec.encode(result.without_fault), "broken": codec.encode(result.with_fault)}
        print(json.dumps({**row, **results}), flush=True)
    return 0


def _carried_out(trial: Trial, *, broken: bool) -> wire.Result:
    with tempfile.TemporaryDirectory(prefix="vetting-selftest-") as directory:
        root = Path(directory)
        _lay_out(root)
        order = wire.StageOrder(trial.stage, trial.name, 1, 60, {}, {}, ["counters.edac", "counters.kernel_log"])
        attempt = Attempt(order)
        runtime = _runtime(root, lambda ctx: trial.run(ctx, root, broken), trial.stage)
        result = carry_out(attempt, _context(order, attempt, runtime), runtime)
    if result is None:
        raise RuntimeError(f"{trial.name} was left behind")
    return result


def _lay_out(root: Path) -> None:
    """Makes one memory module without errors, and an empty kernel log."""
    (root / DIMM).mkdir(parents=True)
    for name, text in (("dimm_label", "DIMM_A1"), ("dimm_ce_count", "0"), ("dimm_ue_count", "0")):
        (root / DIMM / name).write_text(f"{text}\n")
    (root / "kmsg").write_text("")


def _runtime(root: Path, stage: Callable[[StageContext], StageReport], name: str) -> Runtime:
    """An agent's runtime on `root` that makes no calls."""
    outbox = Outbox("selftest", root / "spool")
    return Runtime(
        identity=Identity("selftest", "", []),
        address=lambda: "",
        root=root,
        directory=root,
        in_image=False,
        client=Client(Target("http://127.0.0.1:9", 0, "")),
        outbox=outbox,
        results=Results(root / "results"),
        book=CounterBook((partial(sysfs_counters.edac, Names(root)),), root / "counters.json"),
        kernel_log=KernelLog(root / "kmsg.position", lambda level, text: None, str(root / "kmsg")),
        hold=Hold(root, Sshd()),
        power=Power(lambda level, text: None, root),
        stages={name: stage},
        console=lambda line: None,
        set_clock=lambda seconds: None,
    )


def _context(order: wire.StageOrder, attempt: Attempt, runtime: Runtime) -> StageContext:
    claim = wire.ClaimAnswer(
        mode=wire.Mode.TEST, run=0, boot=0, host="selftest", stages=[order], disks=[], destructive_allowed=False,
        write_mode=False, not_expected=[], expected={}, sensor_limits={}, iperf=wire.IperfServer(),
        next_state=order.name, attempt=1, go=True,
    )  # fmt: skip
    return StageContext(
        order=order,
        claim=claim,
        inventory=None,
        overrides=[],
        progress=lambda rows: None,
        log=lambda level, text: None,
        measure=lambda measurement: None,
        stop=attempt.stop,
        last_continue_age_s=lambda: float("inf"),
        in_image=False,
        memory=StageMemory(runtime.directory, order.name, 1),
    )


def _of(ctx: StageContext, report: PartialReport) -> StageReport:
    return checks.report(ctx, report.checks, findings=report.findings, numbers=report.numbers, evidence=report.evidence)
