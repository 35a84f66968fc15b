"""What the shipped profiles say about loads: time enough for each, and no limit that means nothing on another model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from agent.loads import stress_ng, stressapptest
from agent.stages.psu import stage as psu
from runs.profiles import load as profiles

SHIPPED = ("quick", "deep", "soak")
# A BMC that hangs costs its tool's whole time-out at each look.
BMC_S, SEL_S = 60.0, 120.0
MOST_CARDS = 16
MOST_MEMORY_MB = 2 << 20


def _cpu(params: Mapping[str, Any]) -> float:
    """Each core's run may take twice its time: stress-ng starts as long as a short one lasts. No screening hangs."""
    loads_s = stress_ng.time_limit_s(params["duration_s"]) + 2 * params["cores_max_s"] + params["screen_s"]
    return params["idle_s"] + loads_s + 2 * BMC_S


def _memory(params: Mapping[str, Any]) -> float:
    longest = max(params["duration_s"], params["max_duration_s"])
    return stressapptest.time_limit_s(MOST_MEMORY_MB, longest) + (
        params["memtester_max_s"] if params["memtester_loops"] else 0
    )


def _network(params: Mapping[str, Any]) -> float:
    """Each card in its turn, none of them slow, the server free."""
    ping_s = params["ping_count"] * params["ping_interval_s"]
    return MOST_CARDS * (3 * (params["throughput_duration_s"] + 2) + 2 * ping_s)


def _burn(params: Mapping[str, Any]) -> float:
    megabytes = MOST_MEMORY_MB * params["memory_percent"] // 100
    others_s = params["duration_s"] + stressapptest.filling_s(megabytes)
    waves_s = stress_ng.time_limit_s(0) + 1 / params["waves_least_hz"] + 1
    return max(stressapptest.time_limit_s(megabytes, params["duration_s"]), stress_ng.time_limit_s(others_s) + waves_s)


def _psu(params: Mapping[str, Any]) -> float:
    load_s = psu._load_s(params["load_duration_s"], BMC_S)
    waves_s = stress_ng.time_limit_s(params["waves_s"]) + 1 / params["waves_least_hz"] + 1
    return stress_ng.time_limit_s(load_s) + waves_s + 4 * BMC_S + 2 * SEL_S + 6 * 20


WORST = {"CPUStress": _cpu, "Memory": _memory, "Network": _network, "Burn": _burn, "PSU": _psu}


@pytest.mark.parametrize("stage", WORST)
@pytest.mark.parametrize("name", SHIPPED)
def test_a_stage_has_more_time_than_its_load_and_all_that_is_around_it(name: str, stage: str) -> None:
    """Canonical MAAS runs stress-ng for exactly the five minutes after which it gives it up: any overhead fails a good
    host."""
    given = profiles.load(name)["stages"][stage]
    assert WORST[stage](given["params"]) < given["timeout_s"]


@pytest.mark.parametrize("name", SHIPPED)
def test_no_limit_is_an_absolute_power(name: str) -> None:
    """Canonical's hardware-observer warns at 300 W: what one model draws idling another can't reach burning."""
    profile = profiles.load(name)
    limits = [*profile["sensors"], *(limit for stage in profile["stages"].values() for limit in stage["limits"])]
    assert limits
    assert [limit for limit in limits if limit.removesuffix("_warning").endswith("_w")] == []
