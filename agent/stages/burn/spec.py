"""What the stage Burn says of itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from agent.contract.host_facts import FILLING_S_PER_GIB, START_S, HostFacts
from agent.contract.stage_spec import Plan, RequiredCheck, StageSpec
from agent.contract.stage_values import least


@dataclass(frozen=True)
class Params:
    duration_s: float
    waves_s: float
    memory_percent: float
    memory_max_mb: int
    network_test_s: float
    network_streams: int
    gpu_memory_percent: int
    reserve_percent: float
    reserve_min_mb: int
    waves_least_hz: float = least(0.05)
    waves_most_hz: float = least(0.05)


@dataclass(frozen=True)
class Limits:
    temp_margin_c: float
    temp_max_c: float
    throttle_events_max: float
    clock_min_fraction: float


def _also_required(params: Params, plan: Plan) -> Iterator[RequiredCheck]:
    if plan.expected.get("fans"):
        yield RequiredCheck("fans", topic="bmc")
    if params.waves_s:
        yield RequiredCheck("load_changes")


def _duration_s(params: Params, host: HostFacts, plan: Plan) -> float:
    gib = host.memory_mb * params.memory_percent / 100 / 1024
    return START_S + params.duration_s + FILLING_S_PER_GIB * gib


SPEC = StageSpec(
    name="Burn",
    title="Burn",
    summary="Everything at once",
    after="Network",
    borrows_link=True,
    params=Params,
    limits=Limits,
    also_required=_also_required,
    duration_s=_duration_s,
    tools=(
        "dmidecode",
        "fio",
        "gpu-burn",
        "gpu_burn",
        "ip",
        "iperf3",
        "ipmitool",
        "nvidia-smi",
        "stress-ng",
        "stressapptest",
    ),
    codes=(
        "bmc.event",
        "cpu.miscompare",
        "cpu.slow_clock",
        "fan.missing",
        "fan.redundancy_lost",
        "fan.stopped",
        "gpu.diagnostic",
        "gpu.miscompare",
        "gpu.throttled",
        "memory.miscompare",
        "pcie.link_limited",
        "pcie.link_slow",
        "sensor.fan_high",
        "sensor.fan_low",
        "storage.read_error",
        "system.program_crashed",
        "thermal.hot",
        "thermal.rising",
    ),
    blind=(
        "If the host dies: which of the parts under load is to blame. Network and GPUs take part only where "
        "they can, and the speed of the network beside the other loads is not judged."
    ),
)
