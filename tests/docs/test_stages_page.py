"""docs/stages.md is what registry, agent and profiles say, and says it of everything."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from agent.contract.codes import CODES
from agent.contract.stage_spec import StageSpec
from runs.profiles import notes as profile_notes
from runs.profiles.notes import Note
from runs.stages import AGENT_STAGES, STAGES
from tests.agent_stages.test_silent_passes import ASKED
from tests.docs import reached

ROOT = Path(__file__).resolve().parents[2]
PROFILES = sorted((ROOT / "runs/profiles").glob("*.yaml"))


@pytest.fixture(scope="module")
def writer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_stages", ROOT / "scripts" / "write_stages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_current(writer: ModuleType) -> None:
    assert writer.main(["--check"]) == 0, "run scripts/write_stages.py"


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_every_stage_says_what_it_can_not_see(stage: object) -> None:
    assert stage.blind.endswith(".")


@pytest.mark.parametrize("stage", AGENT_STAGES, ids=lambda stage: stage.name)
def test_a_spec_names_the_tools_and_finding_codes_that_its_stage_comes_to(stage: StageSpec) -> None:
    assert sorted(stage.tools) == reached.tools(stage.name)
    assert sorted(stage.codes) == reached.finding_codes(stage.name)


def test_a_code_that_a_stage_defines_is_one_that_it_makes_and_that_no_other_defines() -> None:
    defined = [code for stage in STAGES for code in stage.new_codes]
    assert len(defined) == len(set(defined))
    assert all(set(stage.new_codes) <= set(stage.codes) <= CODES.keys() for stage in STAGES)


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_the_tools_of_a_stage_are_those_that_it_asks(stage: StageSpec) -> None:
    """Beside those on which its result rests, some are asked for more: to bring links up, for GPUs, for fans,
    for the addresses of memory modules, for optical modules."""
    asked = {tool for tool, stages in ASKED.items() if any(name.partition(",")[0] == stage.name for name in stages)}
    beside = {
        "InventoryCheck": {"ip", "nvidia-smi"},
        "CPUStress": {"ipmitool"},
        "Memory": {"dmidecode"},
        "Network": {"ethtool"},
        "Burn": {"dmidecode", "ipmitool", "ip", "iperf3", "nvidia-smi", "gpu_burn", "gpu-burn"},
        "GPU": {"gpu-burn"},
    }
    assert set(stage.tools) == asked | beside.get(stage.name, set())


def test_finding_codes_are_found_where_they_are_made() -> None:
    assert "firmware.twins_differ" in reached.finding_codes("Firmware")
    assert {"storage.slow", "storage.corruption", "storage.read_error"} <= set(reached.finding_codes("Storage"))
    assert "memory.miscompare" not in reached.finding_codes("CPUStress")


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_every_value_of_a_shipped_profile_has_a_reason_and_a_source(path: Path) -> None:
    notes = profile_notes.read(path.read_text(), path.name)
    bare = [f"{path.name}, line {note.line}: {where[-1]}" for where, note in notes.items() if not note.source]
    assert bare == [], "write the comment above it: a reason, and [its source] in brackets"


def test_a_value_has_the_comment_above_it_or_that_of_its_neighbour() -> None:
    text = (
        "stages:\n  Memory:\n    timeout_s: 9\n    params:\n"
        "      # Why it\n      # is so. [ours]\n      one_s: 1\n      two_s: 2\n\n      three_s: 3\n"
    )
    assert profile_notes.read(text, "mine.yaml") == {
        ("stages", "Memory", "params", "one_s"): Note(7, "Why it is so.", "ours"),
        ("stages", "Memory", "params", "two_s"): Note(8, "Why it is so.", "ours"),
        ("stages", "Memory", "params", "three_s"): Note(10),
    }


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("hdd_read_min_mb_s", "MB/s"), ("sample_max_mb", "MiB"), ("duration_s", "s"), ("temp_max_c", "°C"),
        ("temp_max_c_warning", "°C"),
        ("percentage_used_max", "%"), ("min_fraction", "of 1"), ("pending_sectors_max", "sectors"),
        ("bad_sectors_give_up", "sectors"), ("ecc_corrected_per_hour", "per hour"), ("ping_count", "count"),
    ],
)  # fmt: skip
def test_a_value_has_its_unit_in_its_name(name: str, unit: str) -> None:
    assert profile_notes.unit(name) == unit
