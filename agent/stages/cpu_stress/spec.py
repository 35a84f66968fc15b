"""What the stage CPUStress says of itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from agent.contract.finding_code import Acts, Code
from agent.contract.host_facts import START_S, HostFacts
from agent.contract.stage_spec import Plan, RequiredCheck, StageSpec
from agent.contract.wire import Severity


@dataclass(frozen=True)
class Params:
    duration_s: float
    idle_s: float
    power_rise_min_w: float
    slope_window_s: float
    core_s: float
    cores_max_s: float
    screen_s: float


@dataclass(frozen=True)
class Limits:
    temp_margin_c: float
    temp_max_c: float
    throttle_events_max: float
    clock_min_fraction: float
    cpu_bogo_ops_s_of_last_good_warn_percent: float
    cpu_bogo_ops_s_of_last_good_min_percent: float
    thermal_resistance_c_w_of_last_good_over_percent: float
    thermal_resistance_c_w_of_last_good_max_percent: float
    clock_load_mhz_of_last_good_warn_percent: float
    power_load_w_of_last_good_warn_percent: float
    temp_slope_max_c_min: float | None = None


def _also_required(params: Params, plan: Plan) -> Iterator[RequiredCheck]:
    if plan.expected.get("fans"):
        yield RequiredCheck("fans", topic="bmc")


def _duration_s(params: Params, host: HostFacts, plan: Plan) -> float:
    """The sum of the time at rest, of all cores at once, of each core alone, and of the two screenings."""
    alone_s = min(params.cores_max_s, params.core_s * host.threads)
    return START_S + params.idle_s + params.duration_s + alone_s + params.screen_s


SPEC = StageSpec(
    name="CPUStress",
    title="CPU",
    summary="All cores under verified load, with thermals",
    after="SMART",
    params=Params,
    limits=Limits,
    also_required=_also_required,
    duration_s=_duration_s,
    tools=(
        "ipmitool",
        "stress-ng",
    ),
    codes=(
        "bmc.event",
        "cpu.core_crashes",
        "cpu.cores_disagree",
        "cpu.miscompare",
        "cpu.self_test_failed",
        "cpu.slow_clock",
        "cpu.wrong_results",
        "fan.missing",
        "fan.redundancy_lost",
        "fan.stopped",
        "sensor.fan_high",
        "sensor.fan_low",
        "system.program_crashed",
        "thermal.hot",
        "thermal.rising",
    ),
    new_codes={
        "cpu.wrong_results": Code(
            Severity.CRITICAL,
            "A core gives wrong results",
            Acts.HARDWARE,
            "Replace this CPU. If the result was wrong only once, test the memory first.",
        ),
        "cpu.cores_disagree": Code(
            Severity.CRITICAL,
            "Cores give different results",
            Acts.HARDWARE,
            "Run the test again; if the cores disagree again, replace the CPU.",
        ),
        "cpu.core_crashes": Code(
            Severity.CRITICAL,
            "Programs crash on one core only",
            Acts.HARDWARE,
            "Replace this CPU; check its voltage and cooling first.",
        ),
        "cpu.self_test_failed": Code(
            Severity.CRITICAL, "The CPU's own test failed", Acts.HARDWARE, "Replace this CPU."
        ),
    },
    blind=(
        "A core that calculates wrongly only with instructions, data or at voltages that this load does not use: the "
        "cores' answers are compared for the operations in docs/core-screen.md. Whether a fan of a supply or GPU is "
        "broken or cool, if it stands still and the BMC has no limit for it: a warning."
    ),
)
