"""Pattern tests of the memory, used by Memory and Burn."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace

from agent.contract import wire
from agent.exercises.memory_under_test import UnderTest
from agent.exercises.wrong_memory import miscompared
from agent.host.shell import Completed
from agent.host.stop import StopFlag
from agent.loads import memtester, stressapptest
from agent.parsing import ParseError
from agent.probes.board import meminfo
from agent.probes.board.dmiaddresses import AddressMap
from agent.probes.board.frames import Frames
from agent.probes.board.pagemap import Region
from agent.reports import checks

NOT_READ = AddressMap(unknown="the addresses of modules were not read")


@dataclass(frozen=True)
class MemoryRoom:
    """How much of the memory a test may take, and how much there is, in MiB."""

    testable_mb: int
    total_mb: int

    @property
    def percent(self) -> float:
        return 100.0 * self.testable_mb / self.total_mb if self.total_mb else 0.0


@dataclass(frozen=True)
class MemoryOutcome:
    """`moved_mb` is 0 if the test gave no result. `frames` are those that it worked on, if that is known. memtester
    gives its `pattern_count`."""

    check: wire.Check
    findings: list[wire.Finding]
    moved_mb: float
    rate_mb_s: float
    evidence: str
    frames: Frames | None = None
    pattern_count: int = 0


def room(reserve_percent: float, reserve_min_mb: float, share: float = 1.0, max_mb: int = 0) -> MemoryRoom:
    """How much memory to test: the available memory less the reserve for the agent and the kernel, times `share`, up to
    `max_mb` unless that is 0."""
    known = meminfo.parse(meminfo.read())
    usable = meminfo.testable_bytes(
        known["MemAvailable"], meminfo.group_room_bytes(), known["MemTotal"], reserve_percent,
        int(reserve_min_mb * meminfo.MIB),
    )  # fmt: skip
    testable_mb = int(usable * share) // meminfo.MIB
    return MemoryRoom(min(testable_mb, max_mb or testable_mb), known["MemTotal"] // meminfo.MIB)


def stress(
    name: str,
    megabytes: int,
    threads: int,
    duration_s: float,
    stop: StopFlag,
    dimms: list[wire.Dimm],
    addresses: AddressMap = NOT_READ,
    *,
    forced: bool = False,
    on_start: Callable[[int], None] | None = None,
) -> MemoryOutcome:
    """stressapptest over `megabytes`. Not tested if stressapptest did not give its own verdict. `forced` errors are for
    the test of the tester. `on_start` gets its PID."""
    argv = stressapptest.argv(megabytes, threads, duration_s, forced=forced)
    done = stressapptest.run(argv, megabytes, duration_s, stop, on_start)
    return judge_stress(name, megabytes, done, dimms, addresses)


def judge_stress(
    name: str, megabytes: int, done: Completed, dimms: list[wire.Dimm], addresses: AddressMap = NOT_READ
) -> MemoryOutcome:
    """The check `name` from stressapptest's output. Wrong data that it reported counts even if it did not finish."""
    text = done.stdout + done.stderr
    try:
        result = stressapptest.parse(text)
    except ParseError as error:
        if seen := stressapptest.miscompares(text):
            found = miscompared(len(seen), stressapptest.wrong_words(text), seen[0], dimms, addresses)
            return MemoryOutcome(checks.judged(name, found), found, 0, 0, text)
        return MemoryOutcome(checks.not_tested(name, reason=done.trouble_or(error)), [], 0, 0, text)
    if result.incidents:
        found = miscompared(result.incidents, result.words, result.first, dimms, addresses)
        return MemoryOutcome(checks.judged(name, found), found, result.moved_mb, result.rate_mb_s, text)
    if not result.passed or not done.ok or not result.moved_mb:
        # Errors of the procedure, such as too little memory for this many threads. The memory is not at fault.
        own = f"stressapptest had {result.errors} errors of its own" if result.moved_mb else "nothing was copied"
        why = done.trouble or own
        return MemoryOutcome(checks.not_tested(name, reason=why), [], 0, 0, text)
    words = f"{megabytes} MiB, {result.moved_mb:.0f} MB copied and checked"
    return MemoryOutcome(checks.passed(name, reason=words), [], result.moved_mb, result.rate_mb_s, text)


def continued(first: MemoryOutcome, more: MemoryOutcome) -> MemoryOutcome:
    """One outcome of a test that passed and went on with the same memory: as the second part says, and as much as both
    did."""
    evidence = f"{first.evidence}\n{more.evidence}"
    if more.check.outcome is not wire.Outcome.PASSED:
        return replace(more, moved_mb=first.moved_mb + more.moved_mb, evidence=evidence)
    words = f"{first.check.reason}; longer, since that was too little: {more.check.reason}"
    check = checks.passed(first.check.name, first.check.component, reason=words)
    return replace(first, check=check, moved_mb=first.moved_mb + more.moved_mb, evidence=evidence)


def patterns(
    name: str,
    megabytes: int,
    loops: int,
    timeout_s: float,
    stop: StopFlag,
    dimms: list[wire.Dimm],
    addresses: AddressMap = NOT_READ,
) -> MemoryOutcome:
    """memtester over `megabytes`, `loops` times."""
    with UnderTest(megabytes, timeout_s, addresses, keep=True) as watch:
        done = memtester.run(megabytes, loops, timeout_s, stop, watch.start if addresses.spans else None)
    memory = watch.seen.pages if watch.seen else None
    outcome = judge_patterns(name, loops, done, dimms, addresses, memory)
    return replace(outcome, frames=watch.seen.frames if watch.seen else None)


def judge_patterns(
    name: str,
    loops: int,
    done: Completed,
    dimms: list[wire.Dimm],
    addresses: AddressMap = NOT_READ,
    memory: Region | None = None,
) -> MemoryOutcome:
    """The check `name` from memtester's output."""
    text = done.stdout[-4000:] + done.stderr[-4000:]
    try:
        result = memtester.parse(done.stdout + done.stderr)
    except ParseError as error:
        return MemoryOutcome(checks.not_tested(name, reason=done.trouble_or(error)), [], 0, 0, text)
    wrong = result.failures or (done.status or 0) & (memtester.STUCK_ADDRESS | memtester.OTHER_TEST)
    if wrong:
        wrong_words, first = memtester.wrong_words(result, memory), "; ".join(result.failures[:1])
        found = miscompared(max(1, len(result.failures)), wrong_words, first, dimms, addresses)
        return MemoryOutcome(checks.judged(name, found), found, 0, 0, text)
    if why := done.trouble or _unfinished(result, loops):
        return MemoryOutcome(checks.not_tested(name, reason=why), [], 0, 0, text)
    words = f"{result.megabytes} MiB, {result.tests} patterns"
    moved_mb = float(result.megabytes * loops)
    return MemoryOutcome(checks.passed(name, reason=words), [], moved_mb, 0, text, pattern_count=result.tests // loops)


def _unfinished(result: memtester.PatternResult, loops: int) -> str:
    """Why the patterns prove nothing. Empty if each one finished in each loop."""
    if result.unended:
        return f"memtester does not say how {result.unended[0]} ended"
    if result.loops != loops:
        return f"memtester did {result.loops} of {loops} loops"
    return "" if result.tests else "memtester did no test"


def default_threads() -> int:
    return len(os.sched_getaffinity(0))
