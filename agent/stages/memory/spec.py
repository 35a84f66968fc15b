"""What the stage Memory says of itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from agent.contract.host_facts import FILLING_S_PER_GIB, START_S, HostFacts
from agent.contract.stage_spec import Plan, RequiredCheck, StageSpec


@dataclass(frozen=True)
class Params:
    duration_s: float
    per_gib_s: float
    max_duration_s: float
    reserve_percent: float
    reserve_min_mb: int
    memtester_loops: int
    memtester_max_mb: int
    memtester_max_s: float
    test_max_mb: int
    coverage_min_percent: float
    early_test_patterns: int

    def stress_s(self, testable_mb: float) -> float:
        """The base time plus a time for each GiB, up to a longest time: one pass through more memory takes longer."""
        return min(self.max_duration_s, self.duration_s + self.per_gib_s * testable_mb / 1024)


@dataclass(frozen=True)
class Limits:
    passes_min: float


# memtester: 18 patterns on one core; 100 s per GiB as measured.
MEMTESTER_S_PER_GIB = 120.0


def _also_required(params: Params, plan: Plan) -> Iterator[RequiredCheck]:
    if params.memtester_loops:
        yield RequiredCheck("bit_patterns")
    if params.early_test_patterns:
        yield RequiredCheck("early_test")


def _duration_s(params: Params, host: HostFacts, plan: Plan) -> float:
    if not host.memory_mb:
        raise LookupError("nobody knows how much memory there is")
    testable_mb = host.memory_mb * (1 - params.reserve_percent / 100)
    worked_mb = min(testable_mb, params.test_max_mb or testable_mb)
    bits_gib = min(worked_mb, params.memtester_max_mb or testable_mb) / 1024
    bits_s = min(params.memtester_max_s, params.memtester_loops * MEMTESTER_S_PER_GIB * bits_gib)
    return START_S + params.stress_s(worked_mb) + FILLING_S_PER_GIB * worked_mb / 1024 + bits_s


SPEC = StageSpec(
    name="Memory",
    title="Memory",
    summary="Pattern tests over all memory that can be reached",
    after="CPUStress",
    params=Params,
    limits=Limits,
    also_required=_also_required,
    duration_s=_duration_s,
    tools=(
        "dmidecode",
        "memtester",
        "stressapptest",
    ),
    codes=("memory.miscompare",),
    blind=(
        "The memory that kernel, live image and agent use (the kernel's early test reaches most of it), and errors "
        "that ECC corrects if the memory controller does not count them. Which module a wrong word is in, if the "
        "firmware's tables of addresses are missing or can't be right (docs/memory.md)."
    ),
)
