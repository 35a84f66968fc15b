"""Heat and fabric of NVIDIA cards, written into recordings of sound ones in the elements of schema 11 to 13."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent import judge as recorder
from tests.agent_stages.contexts import context
from tests.agent_stages.recordings import recorded

WELL = "tesla-t4.xml"


def judged(tmp_path: Path, inside: str) -> tuple[str, list[str]]:
    """Result and codes of a sound card with these elements in place of its own of the same part."""
    text = recorded("nvidia-smi", WELL)
    tag = inside[1 : inside.index(">")]
    before, _, rest = text.partition(f"<{tag}>")
    after = rest.partition(f"</{tag}>")[2] if rest else ""
    text = f"{before}{inside}{after}" if rest else text.replace("</gpu>", f"{inside}</gpu>")
    line = recorder.judge(context("GPU", tmp_path), "nvidia-smi", text)
    return line["outcome"], [one["code"] for one in line["findings"]]


@pytest.mark.parametrize(
    "inside",
    [
        "<gpu_temp>97 C</gpu_temp><gpu_temp_slow_threshold>93 C</gpu_temp_slow_threshold>",
        "<gpu_temp>88 C</gpu_temp><gpu_temp_tlimit>-2 C</gpu_temp_tlimit>"
        "<gpu_temp_slow_tlimit_threshold>-2 C</gpu_temp_slow_tlimit_threshold>",
        "<gpu_temp>99 C</gpu_temp><gpu_temp_max_threshold>98 C</gpu_temp_max_threshold>"
        "<gpu_temp_slow_threshold>N/A</gpu_temp_slow_threshold>",
        "<gpu_temp>62 C</gpu_temp><gpu_temp_slow_threshold>89 C</gpu_temp_slow_threshold>"
        "<memory_temp>106 C</memory_temp><gpu_temp_max_mem_threshold>95 C</gpu_temp_max_mem_threshold>",
    ],
)
def test_a_card_as_hot_as_its_own_slowdown_temperature_fails(inside: str, tmp_path: Path) -> None:
    assert judged(tmp_path, f"<temperature>{inside}</temperature>") == ("failed", ["gpu.too_hot"])


@pytest.mark.parametrize(
    "inside",
    [
        "<gpu_temp>92 C</gpu_temp><gpu_temp_slow_threshold>93 C</gpu_temp_slow_threshold>",
        "<gpu_temp>41 C</gpu_temp><gpu_temp_tlimit>46 C</gpu_temp_tlimit>"
        "<gpu_temp_slow_tlimit_threshold>-2 C</gpu_temp_slow_tlimit_threshold>",
        "<gpu_temp>41 C</gpu_temp><gpu_temp_tlimit>N/A</gpu_temp_tlimit>"
        "<gpu_temp_slow_threshold>N/A</gpu_temp_slow_threshold>",
        # Some drivers write the newer elements' numbers into the older ones.
        "<gpu_temp>41 C</gpu_temp><gpu_temp_slow_threshold>-2 C</gpu_temp_slow_threshold>",
        "<gpu_temp>41 C</gpu_temp><gpu_temp_max_threshold>-8 C</gpu_temp_max_threshold>"
        "<memory_temp>60 C</memory_temp><gpu_temp_max_mem_threshold>0 C</gpu_temp_max_mem_threshold>",
        "<gpu_temp>62 C</gpu_temp><memory_temp>95 C</memory_temp>"
        "<gpu_temp_max_mem_threshold>95 C</gpu_temp_max_mem_threshold>",
    ],
)
def test_a_card_below_it_or_without_such_a_temperature_passes(inside: str, tmp_path: Path) -> None:
    assert judged(tmp_path, f"<temperature>{inside}</temperature>") == ("passed", [])


@pytest.mark.parametrize(
    ("inside", "outcome"),
    [
        ("<state>Completed</state><status>Success</status>", "passed"),
        ("<state>N/A</state><status>N/A</status>", "passed"),
        ("<state>In Progress</state><status>N/A</status>", "passed"),
        ("<state>Completed</state><status>Failure</status>", "failed"),
        (
            "<state>Completed</state><status>Success</status><health><bandwidth>Full</bandwidth>"
            "<route_unhealthy>False</route_unhealthy></health>",
            "passed",
        ),
        (
            "<state>Completed</state><status>Success</status><health><bandwidth>Degraded</bandwidth>"
            "<route_unhealthy>False</route_unhealthy></health>",
            "failed",
        ),
        (
            "<state>Completed</state><status>Success</status><health><bandwidth>Full</bandwidth>"
            "<route_unhealthy>True</route_unhealthy></health>",
            "failed",
        ),
    ],
)
def test_a_card_whose_fabric_is_not_healthy_fails(inside: str, outcome: str, tmp_path: Path) -> None:
    found = ["gpu.fabric"] if outcome == "failed" else []
    assert judged(tmp_path, f"<fabric>{inside}</fabric>") == (outcome, found)


def health(state: str = "Completed", **words: str) -> str:
    """The fabric's health as drivers before 580 print it, without a summary, and with other words in it."""
    rows = {"bandwidth": "Full", "route_recovery_in_progress": "False", "route_unhealthy": "False",
            "access_timeout_recovery": "False", **words}  # fmt: skip
    inside = "".join(f"<{name}>{value}</{name}>" for name, value in rows.items())
    return f"<fabric><state>{state}</state><status>Success</status><health>{inside}</health></fabric>"


@pytest.mark.parametrize(
    "words",
    [
        {"route_recovery_in_progress": "True"},
        {"access_timeout_recovery": "True"},
        {"summary": "Unhealthy"},
        {"summary": "Limited Capacity"},
        *({"incorrect_configuration": words} for words in (
            "Insufficient Nvlinks", "No Partition", "Incorrect Sysguid", "Incompatible Gpu Firmware")),
    ],
)  # fmt: skip
def test_each_word_that_nvidia_counts_as_unhealthy_fails_the_card(words: dict[str, str], tmp_path: Path) -> None:
    assert judged(tmp_path, health(**words)) == ("failed", ["gpu.fabric"])


@pytest.mark.parametrize("words", ["None", "N/A", "Not Supported", ""])
def test_a_fabric_without_a_wrong_configuration_passes(words: str, tmp_path: Path) -> None:
    """NVML's words for it: none, not supported. Partition Assigned is N/A on a sound GB300 with driver 580."""
    text = health(summary="Healthy", incorrect_configuration=words, partition_assigned="N/A")
    assert judged(tmp_path, text) == ("passed", [])


@pytest.mark.parametrize("name", ["route_recovery_in_progress", "access_timeout_recovery"])
def test_a_fabric_that_comes_up_may_still_be_at_work_on_its_routes(name: str, tmp_path: Path) -> None:
    assert judged(tmp_path, health("In Progress", **{name: "True"})) == ("passed", [])


def test_a_setting_that_the_caller_may_not_read_is_no_error_of_the_card(tmp_path: Path) -> None:
    """B200, GB200 and GB300 say so of their power smoothing, on sound cards."""
    assert judged(tmp_path, "<power_smoothing>Insufficient Permissions</power_smoothing>") == ("passed", [])
