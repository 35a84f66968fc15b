"""No tool breaks in silence: each tool of the image, in each stage that asks it, broken in each way that a tool can
break. The stage must pass while all are well, and must not pass, nor blame a part, when that one tool is broken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.contract import wire
from agent.contract.stages import SPECS
from agent.stage import StageReport
from agent.stage_functions import STAGES
from tests.agent_stages import toolbench
from tests.agent_stages.contexts import PROFILE, context

DIES_AT_LAST = 'case "$*" in *--offset=6291456*) kill -9 $$;; esac\n'
MEMORY = {"duration_s": 1, "per_gib_s": 0, "test_max_mb": 64, "coverage_min_percent": 0}
# Stage → what is not as in the quick profile: short, and everything that the stage can do.
STAGE: dict[str, dict[str, Any]] = {
    "InventoryCheck": {"params": {"link_wait_s": 0, "disk_wait_s": 0}},
    "SMART": {},
    "CPUStress": {"params": {"duration_s": 1, "idle_s": 0, "cores_max_s": 1, "screen_s": 0}},
    "Memory": {"params": {**MEMORY, "memtester_loops": 1}},
    "Storage": {"params": {"speed_s": 1}},
    "Storage, writing": {"params": {"speed_s": 1, "write_max_mb": 4, "wipe_samples": 4}},
    # The end of the self-test that SMART has left running.
    "Storage, after SMART": {"params": {"speed_s": 1}, "background": True},
    "Network": {"params": {"throughput_duration_s": 1, "ping_count": 2, "busy_wait_s": 0}},
    "Burn": {"params": {"duration_s": 1, "memory_max_mb": 64, "waves_s": 0}},
    "GPU": {"params": {"load_duration_s": 1}},
    "PSU": {"params": {"load_duration_s": 0.2, "waves_s": 0}},
}
# Tool → the stages whose result rests on it.
ASKED: dict[str, tuple[str, ...]] = {
    "dmidecode": ("InventoryCheck",),
    "lspci": ("InventoryCheck",),
    "lshw": ("InventoryCheck",),
    "lsblk": ("InventoryCheck",),
    "lscpu": ("InventoryCheck",),
    "ethtool": ("InventoryCheck",),
    "ipmitool": ("InventoryCheck", "PSU"),
    "smartctl": ("SMART", "Storage, after SMART"),
    "nvme": ("SMART", "Storage, after SMART"),
    "stress-ng": ("CPUStress", "Burn", "PSU"),
    "stressapptest": ("Memory", "Burn"),
    "memtester": ("Memory",),
    "fio": ("Storage", "Storage, writing", "Burn"),
    "wipefs": ("Storage, writing",),
    "blkid": ("Storage, writing",),
    "ip": ("Network",),
    "iperf3": ("Network",),
    "ping": ("Network",),
    "nvidia-smi": ("GPU",),
    "dcgmi": ("GPU",),
    "gpu_burn": ("GPU",),
}
# Where one of the two is not installed, the other is the load.
STANDS_IN = {("dcgmi", "missing"), ("gpu_burn", "missing")}
TABLE = [
    (tool, stage, how)
    for tool, stages in ASKED.items()
    for stage in stages
    for how in toolbench.BREAKAGES
    if (tool, how) not in STANDS_IN
]


def run(stage: str, directory: Path, monkeypatch: pytest.MonkeyPatch, broken: str = "", how: str = "") -> StageReport:
    bench = directory / "bin"
    bench.mkdir()
    monkeypatch.setenv("PATH", toolbench.install(bench, broken, how))
    toolbench.be_well(monkeypatch, directory, broken)
    name, writes = stage.partition(",")[0], "writing" in stage
    given = STAGE[stage]
    background = {"stages": _with_smart_before()} if given.get("background") else {}
    ctx = context(
        name,
        directory,
        **background,
        inventory=toolbench.inventory(),
        params=given.get("params"),
        write_mode=writes,
        destructive_allowed=writes,
        disks=[wire.AllowedDisk(toolbench.SERIAL, "", "sata", toolbench.SIZE_MB, writes)],
        expected={"nics": [{"mac": toolbench.MAC}], "psus": [{"name": "PS1"}]},
        iperf=wire.IperfServer("10.0.0.1", [5201], 1000),
    )
    return STAGES[name](ctx)


def _with_smart_before() -> list[wire.StageOrder]:
    params = {**PROFILE["stages"]["SMART"]["params"], "self_test_in_background": True}
    return [wire.StageOrder(name, name, 1, 900, params, {}, []) for name in ("SMART", "Storage")]


def test_every_tool_that_the_agent_starts_is_in_the_table() -> None:
    assert (
        (toolbench.started_by_the_agent() | toolbench.BY_WHICH) - toolbench.NO_STAGE
        == set(ASKED)
        == set(toolbench.HEALTHY)
    )


def test_every_stage_that_asks_a_tool_is_in_the_table() -> None:
    named = {stage.partition(",")[0] for stages in ASKED.values() for stage in stages}
    assert named == {name for name, spec in SPECS.items() if spec.tools}


@pytest.mark.parametrize("stage", STAGE)
def test_the_stage_passes_while_every_tool_is_well(stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = run(stage, tmp_path, monkeypatch)
    assert report.outcome is wire.Outcome.PASSED, report.reason


@pytest.mark.parametrize(("tool", "stage", "how"), TABLE, ids=[", ".join(row) for row in TABLE])
def test_a_broken_tool_passes_no_stage_and_condemns_no_part(
    tool: str, stage: str, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = run(stage, tmp_path, monkeypatch, tool, how)
    assert report.outcome is wire.Outcome.NOT_TESTED
    assert report.reason
    assert not [finding for finding in report.findings if finding.severity is wire.Severity.CRITICAL]


def test_a_disk_that_was_read_in_part_because_fio_died_is_not_tested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some of the plan is enough when the time was over, not when the tool was."""
    monkeypatch.setitem(toolbench.HEALTHY, "fio", DIES_AT_LAST + toolbench.FIO)
    monkeypatch.setitem(STAGE, "Storage", {"params": {"speed_s": 1, "segment_mb": 2}})
    report = run("Storage", tmp_path, monkeypatch)
    assert report.outcome is wire.Outcome.NOT_TESTED
    assert "2 of 8 MiB read: fio was killed by SIGKILL" in report.reason


def test_a_drive_that_says_it_can_not_test_itself_is_not_held_against_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(toolbench.HEALTHY, "nvme", "echo '{\"oacs\": 0}'")
    report = run("SMART", tmp_path, monkeypatch)
    assert report.outcome is wire.Outcome.PASSED
    assert ("self_test_offered", wire.Outcome.NOT_TESTED) in [(check.name, check.outcome) for check in report.checks]
