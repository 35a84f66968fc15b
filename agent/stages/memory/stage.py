"""Memory: tests patterns in all memory that can be reached. What can't be reached (the live image, the kernel, the
reserve) is reported."""

from __future__ import annotations

from agent.contract import wire
from agent.contract.host_facts import START_S
from agent.exercises import memory_load
from agent.exercises.memory_load import MemoryOutcome, MemoryRoom
from agent.exercises.memory_under_test import UnderTest
from agent.loads import stressapptest
from agent.probes.board import memory_modules
from agent.probes.board.dmiaddresses import AddressMap
from agent.reports import checks
from agent.reports.progress import ProgressBoard
from agent.stage import StageContext, StageReport
from agent.stages.memory import early_memory_test, module_coverage
from agent.stages.memory.module_coverage import WorkedOn
from agent.stages.memory.spec import Limits, Params

_LEAST_MB = 64
# Whether a bit is written as one or zero is drawn anew in each pass. So of bits that are stuck seven passes miss one in
# 128, and three one in eight.
_ENOUGH_PASSES = 7.0


def run(ctx: StageContext) -> StageReport:
    ctx.check_values(Params, Limits)
    params = ctx.params(Params)
    space = memory_load.room(params.reserve_percent, params.reserve_min_mb, max_mb=params.test_max_mb)
    if space.testable_mb < _LEAST_MB:
        why = f"{space.testable_mb} MiB can be tested of {space.total_mb} MiB"
        return checks.report(ctx, [checks.not_tested("patterns", reason=why)])
    addresses = memory_modules.of_host()
    early = early_memory_test.judge(params.early_test_patterns, early_memory_test.read(), _dimms(ctx), addresses)
    seconds = params.stress_s(space.testable_mb)
    with UnderTest(space.testable_mb, seconds, addresses) as watch:
        stressed = _stress(ctx, space, addresses, seconds, watch)
    if more_s := _missing_s(space, stressed, seconds, params.max_duration_s):
        stressed = memory_load.continued(stressed, _stress(ctx, space, addresses, more_s))
    outcomes = [stressed]
    if params.memtester_loops > 0:
        outcomes.append(_memtester(ctx, space, params, addresses))
    of_modules, numbers = _of_modules(ctx, space, addresses, watch, outcomes, early)
    tests: list[MemoryOutcome | early_memory_test.Outcome] = [*outcomes, early]
    made = [test.check for test in tests if test.check]
    return checks.report(
        ctx,
        [*made, coverage(ctx, space, _moved_mb(outcomes)), *of_modules],
        findings=[finding for test in tests for finding in test.findings],
        # Every test that the profile orders must have finished.
        also_required=[check.name for check in made],
        numbers=_numbers(space, outcomes) | numbers,
        evidence={f"{test.check.name}.txt": test.evidence for test in tests if test.check},
    )


def _missing_s(space: MemoryRoom, outcome: MemoryOutcome, took_s: float, most_s: float) -> float:
    """How much longer the test should go on so that each byte is worked on often enough: a slow memory is not gone
    through often in the time for its size. 0 if it was, if it has failed, and if the time is up."""
    left_s = most_s - took_s
    lacking = _ENOUGH_PASSES - _passes(space, outcome.moved_mb)
    if lacking <= 0 or left_s < START_S or outcome.check.outcome is not wire.Outcome.PASSED:
        return 0.0
    return min(left_s, max(START_S, lacking * space.testable_mb * took_s / outcome.moved_mb))


def _stress(
    ctx: StageContext, space: MemoryRoom, addresses: AddressMap, seconds: float, watch: UnderTest | None = None
) -> MemoryOutcome:
    with ProgressBoard(ctx).timing("memory", f"patterns over {space.testable_mb} MiB", seconds):
        return memory_load.stress(
            "patterns", space.testable_mb, memory_load.default_threads(), seconds, ctx.stop, _dimms(ctx), addresses,
            on_start=watch.start if watch and addresses.spans else None,
        )  # fmt: skip


def _memtester(ctx: StageContext, space: MemoryRoom, params: Params, addresses: AddressMap) -> MemoryOutcome:
    """Single-threaded, so it only gets as much memory as it can finish in time."""
    loops, limit_s = params.memtester_loops, params.memtester_max_s
    megabytes = min(space.testable_mb, params.memtester_max_mb or space.testable_mb)
    with ProgressBoard(ctx).timing("memory", f"bit patterns over {megabytes} MiB", limit_s):
        return memory_load.patterns("bit_patterns", megabytes, loops, limit_s, ctx.stop, _dimms(ctx), addresses)


def _of_modules(
    ctx: StageContext,
    space: MemoryRoom,
    addresses: AddressMap,
    watch: UnderTest,
    outcomes: list[MemoryOutcome],
    early: early_memory_test.Outcome,
) -> tuple[list[wire.Check], dict[str, float]]:
    """How much of each module was under test."""
    stress, *more = outcomes
    if not stress.moved_mb:
        # Memory that a test did not get through is not tested.
        watch.seen, watch.why = None, stress.check.reason
    passes = _passes(space, stress.moved_mb)
    drawn = f"{passes:.1f} times in patterns that stressapptest draws from {stressapptest.PATTERNS}:"
    tests = [WorkedOn(drawn, watch.seen.frames, stressapptest.PATTERNS)] if watch.seen else []
    tests += [
        WorkedOn(f"in memtester's {one.pattern_count} patterns:", one.frames, one.pattern_count)
        for one in more
        if one.frames and one.moved_mb
    ]
    if early.frames is not None:
        words = f"in {early.patterns} patterns of the kernel's early test:"
        tests.append(WorkedOn(words, early.frames, early.patterns))
    return module_coverage.judge(addresses, _dimms(ctx), watch, tests, passes)


def _passes(space: MemoryRoom, moved_mb: float) -> float:
    """stressapptest fills all of it first and checks all of it at the end: that is one pass more than it copied, if it
    did anything at all."""
    return 1 + moved_mb / space.testable_mb if moved_mb else 0.0


def _dimms(ctx: StageContext) -> list[wire.Dimm]:
    return ctx.inventory.memory.dimms if ctx.inventory else []


def coverage(ctx: StageContext, space: MemoryRoom, moved_mb: float) -> wire.Check:
    """How much of the memory was tested, and how often each byte."""
    passes = _passes(space, moved_mb)
    words = f"{space.testable_mb} of {space.total_mb} MiB ({space.percent:.0f} %) were under test, {passes:.1f} times"
    enough = space.percent >= ctx.params(Params).coverage_min_percent
    if not enough or passes < ctx.limits(Limits).passes_min:
        return checks.not_tested("coverage", reason=words)
    return checks.passed("coverage", reason=words)


def _numbers(space: MemoryRoom, outcomes: list[MemoryOutcome]) -> dict[str, float]:
    moved = _moved_mb(outcomes)
    numbers = {
        "covered_mb": float(space.testable_mb),
        "covered_percent": space.percent,
        "moved_mb": moved,
        "passes": moved / space.testable_mb,
    }
    rates = [outcome.rate_mb_s for outcome in outcomes if outcome.rate_mb_s]
    return {**numbers, "rate_mb_s": rates[0]} if rates else numbers


def _moved_mb(outcomes: list[MemoryOutcome]) -> float:
    return sum(outcome.moved_mb for outcome in outcomes)
