"""stress-ng: verified load on the CPUs (0.15 and newer)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent.host import shell
from agent.host.stop import StopFlag
from agent.parsing import ParseError

_METRIC = re.compile(
    r"^\s*-\s*stressor:\s*(\S+)|^\s+bogo-ops-per-second-real-time:\s*(\d{1,18}(?:\.\d{1,18})?)", re.MULTILINE
)
_FAILURE = re.compile(r"stress-ng: fail:\s*\[\d+\]\s*(.*)")
# Failures of the CPU stressor itself. It fails only for wrong results of calculations.
_WRONG = re.compile(r"cpu: ")
# A worker that was ended by a signal which stress-ng handles itself: the kernel logs nothing then. One wording is of
# the handler for all stressors, one of the handler that some stressors set (stress_handle_terminate in stress-ng.c,
# stress_catch_sig_handler in core-signal.c).
_ENDED = re.compile(
    r"stress-ng: \w+:\s*\[\d+\]\s*(stressor terminated with unexpected .{1,80}|caught (?:unexpected )?SIG.{1,80})"
)
# Signals for a fault of the program. The same program with the same data has none on a good core with good memory.
# SIGBUS is left out: it tells of a memory error that the kernel reports itself. SIGABRT may be our own bug.
_CRASH = re.compile(r"\bSIG(?:SEGV|ILL|FPE)\b|\bSIGNAL (?:4|8|11)\b")
# A worker that ended before its time without an error. The exit status is 0 then. (stress_run_child in stress-ng.c,
# 0.15 to 0.19)
_EARLY = re.compile(r"stress-ng: warn:\s*\[\d+\]\s*(\S{1,40} WARNING: finished prematurely after just .{1,60})")
# The name of `--cpu` in the metrics.
CPU = "cpu"
_END_S = 60.0  # stressors finish the method they are in; under emulation some take long


@dataclass(frozen=True)
class StressResult:
    """The result of a run. `failed` means a wrong result. `trouble` says why nothing can be said. `rates` are bogo
    operations per second by stressor. `failures` are stress-ng's own lines. `crashed` is its line about a worker that
    crashed as good hardware does not let it crash, or empty."""

    failed: bool
    trouble: str
    rates: dict[str, float]
    failures: list[str]
    crashed: str = ""


def cpu_argv(processors: list[int], duration_s: float, yaml: Path) -> list[str]:
    """One verified worker on each of `processors` (kernel numbers). It goes through all methods."""
    affinity = ",".join(map(str, processors))
    return [
        "stress-ng", "--cpu", str(len(processors)), "--cpu-method", "all", "--verify", "--taskset", affinity,
        "--metrics", "--oom-avoid-bytes", "5%", "--timeout", f"{max(1, round(duration_s))}s", "--yaml", str(yaml),
    ]  # fmt: skip


def run(
    argv: list[str],
    duration_s: float,
    stop: StopFlag | None = None,
    on_start: Callable[[int], None] | None = None,
) -> shell.Completed:
    """`on_start` gets its PID."""
    return shell.run(argv, time_limit_s(duration_s), stop=stop, on_start=on_start)


def time_limit_s(duration_s: float) -> float:
    """After how many seconds a run of `duration_s` is given up."""
    return duration_s + _END_S


def parse_yaml(text: str) -> dict[str, float]:
    """Stressor → bogo operations per second. Raises ParseError if there are no metrics, or none of a stressor."""
    rates: dict[str, float] = {}
    named: list[str] = []
    stressor = ""
    for match in _METRIC.finditer(text):
        if match[1]:
            stressor = match[1]
            named.append(stressor)
        elif stressor:
            rates[stressor] = float(match[2])
    if not rates:
        raise ParseError("stress-ng's YAML has no metrics")
    if untold := [name for name in named if name not in rates]:
        raise ParseError(f"stress-ng does not say what {untold[0]} did")
    return rates


def judge(done: shell.Completed, yaml: str) -> StressResult:
    """A pass needs exit status 0, no worker that was ended by a signal or ended before its time, and metrics that show
    work: an idle stressor proves nothing. Only a reported wrong result fails the CPU, however the run ended. Exit
    status 2 means that a stressor failed for any reason (stress-ng(1)); 1, 3, 5, 6 and 7 mean too little memory, kills
    and the like."""
    text = done.stdout + done.stderr
    failures, ended = _FAILURE.findall(text), _ENDED.findall(text)
    unfinished = [*ended, *_EARLY.findall(text)]
    failed = any(_WRONG.match(line) for line in failures)
    crashed = next((line for line in ended if _CRASH.search(line)), "")
    rates: dict[str, float] = {}
    trouble = done.trouble or (f"stress-ng: {unfinished[0]}" if unfinished else "")
    try:
        rates = parse_yaml(yaml)
    except ParseError as error:
        trouble = trouble or str(error)
    else:
        idle = [name for name, rate in {CPU: 0.0, **rates}.items() if rate <= 0]
        trouble = trouble or (f"stress-ng did no work in {', '.join(idle)}" if idle else "")
    return StressResult(failed, "" if failed else trouble, rates, failures, crashed)
