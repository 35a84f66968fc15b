"""What the stage PSU says of itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from agent.contract.host_facts import START_S, HostFacts
from agent.contract.stage_spec import Plan, RequiredCheck, StageSpec
from agent.contract.stage_values import least


@dataclass(frozen=True)
class Params:
    load_duration_s: float
    idle_s: float
    waves_s: float
    waves_least_hz: float = least(0.05)
    waves_most_hz: float = least(0.05)


@dataclass(frozen=True)
class Limits:
    share_min_of_even: float


def _duration_s(params: Params, host: HostFacts, plan: Plan) -> float:
    return START_S + params.load_duration_s + params.waves_s


def _also_required(params: Params, plan: Plan) -> Iterator[RequiredCheck]:
    if params.waves_s:
        yield RequiredCheck("load_changes")


SPEC = StageSpec(
    name="PSU",
    title="Power",
    summary="Presence, redundancy, power under load steps, voltages and temperatures",
    after="GPU",
    parts="psus",
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
        "cpu.miscompare",
        "psu.failed",
        "psu.missing",
        "psu.predicted_failure",
        "psu.redundancy_lost",
        "psu.share",
        "psu.voltage",
        "sensor.temp_high",
        "sensor.temp_low",
        "system.program_crashed",
    ),
    blind=(
        "Whether the host survives the loss of one supply: nobody pulls one. Supplies that the BMC has no "
        "sensor for. Whether a supply is missing in an empty bay, if the spec lists no supplies. "
        "Supplies that the spec's list omits. Whether a supply that has mains and "
        "delivers nothing is broken or asleep: a warning."
    ),
)
