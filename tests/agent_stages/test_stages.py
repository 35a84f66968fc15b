"""Whole stages: with no tool at all, with tools that lie, and with the real ones where they need no hardware."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from agent.contract import wire
from agent.contract.host_facts import START_S
from agent.contract.stage_values import ProfileLacks
from agent.contract.stages import SPECS
from agent.exercises import memory_load
from agent.stage_functions import STAGES
from tests.agent_stages.contexts import INVENTORY, PROFILE, context

SHORT = {
    "InventoryCheck": {"link_wait_s": 0, "disk_wait_s": 0},
    "CPUStress": {"duration_s": 1, "idle_s": 0, "cores_max_s": 2, "screen_s": 0},
    "Memory": {"duration_s": 1, "per_gib_s": 0, "test_max_mb": 64},
    "Storage": {"speed_s": 1},
    "Network": {"throughput_duration_s": 1, "ping_count": 2, "busy_wait_s": 0},
    "Burn": {"duration_s": 1, "memory_max_mb": 64, "waves_s": 0},
    "PSU": {"load_duration_s": 1, "waves_s": 0},
}
EXPECTED = {
    "disks": [{"serial": "S1"}],
    "nics": [{"mac": "52:54:00:00:00:09", "speed_mbit": 1000}],
    "psus": [{"name": "PSU1"}],
    "gpus": [{"uuid": "GPU-1"}],
}
ASKS_TOOLS = [name for name, spec in SPECS.items() if spec.tools]
LIES = ("", "echo", "echo '{}'", "echo '{\"jobs\": []}'", "exit 2", "kill -9 $$", "head -c 2000 /dev/urandom")


def tools(directory: Path, body: str) -> str:
    """A directory in which every tool that a stage asks is a shell script with this body."""
    names = (
        "dmidecode", "lspci", "lshw", "lsblk", "lscpu", "ethtool", "ip", "ipmitool", "smartctl", "nvme", "stress-ng",
        "stressapptest", "memtester", "fio", "iperf3", "ping", "nvidia-smi", "wipefs", "blkid",
    )  # fmt: skip
    for name in names:
        script = directory / name
        script.write_text(f"#!/bin/sh\n{body}\n")
        script.chmod(0o755)
    for real in ("sh", "head"):
        (directory / real).symlink_to(shutil.which(real) or "/bin/sh")
    return str(directory)


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_of_the_agent_has_its_function(stage: str) -> None:
    assert callable(STAGES[stage])


def test_a_stage_that_nobody_wrote_has_none() -> None:
    assert STAGES.get("Clockwork") is None


def test_every_stage_is_in_the_quick_profile() -> None:
    assert set(PROFILE["stages"]) == set(STAGES)


@pytest.mark.parametrize("stage", ASKS_TOOLS)
def test_without_any_tool_nothing_is_passed(stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    report = STAGES[stage](context(stage, tmp_path, params=SHORT.get(stage), expected=EXPECTED))
    assert report.outcome is not wire.Outcome.PASSED
    assert report.reason


def test_without_an_inventory_no_version_is_passed(tmp_path: Path) -> None:
    report = STAGES["Firmware"](context("Firmware", tmp_path, inventory=None))
    assert report.outcome is wire.Outcome.NOT_TESTED and report.reason


@pytest.mark.parametrize("stage", ASKS_TOOLS)
@pytest.mark.parametrize("lie", LIES)
def test_tools_that_lie_pass_nothing_and_condemn_no_part(
    stage: str, lie: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", tools(tmp_path, lie))
    report = STAGES[stage](context(stage, tmp_path, params=SHORT.get(stage), expected=EXPECTED))
    assert report.outcome is not wire.Outcome.PASSED
    guilty = {finding.code for finding in report.findings if finding.severity is wire.Severity.CRITICAL}
    # An empty host lacks its GPU; and exit status 2 is how stress-ng reports a wrong result.
    assert guilty <= ({"gpu.missing"} | ({"cpu.miscompare"} if lie == "exit 2" else set()))


@pytest.mark.parametrize("stage", sorted(SHORT))
def test_a_profile_that_lacks_a_parameter_is_told_by_name(stage: str, tmp_path: Path) -> None:
    ctx = context(stage, tmp_path)
    ctx.order.params.clear()
    with pytest.raises(ProfileLacks, match=rf"stages\.{stage}\.params\.\w+ is missing"):
        STAGES[stage](ctx)


@pytest.mark.parametrize("stage", ["Storage", "SMART", "Network"])
def test_a_host_with_nothing_to_test_passes_nothing(stage: str, tmp_path: Path) -> None:
    ctx = context(stage, tmp_path, params=SHORT.get(stage), inventory=wire.Inventory(), expected={"nics": []})
    assert STAGES[stage](ctx).outcome is wire.Outcome.NOT_TESTED


def test_a_host_that_expects_no_gpu_and_has_none_does_not_count_it(tmp_path: Path) -> None:
    report = STAGES["GPU"](context("GPU", tmp_path, expected={"gpus": []}))
    assert (report.outcome, report.cause) == (wire.Outcome.NOT_TESTED, wire.Cause.NOT_EXPECTED)


def test_a_missing_gpu_fails(tmp_path: Path) -> None:
    report = STAGES["GPU"](context("GPU", tmp_path, expected={"gpus": [{"uuid": "GPU-1"}]}))
    assert report.outcome is wire.Outcome.FAILED
    assert [finding.code for finding in report.findings] == ["gpu.missing"]


@pytest.mark.parametrize("inventory", [None, wire.Inventory(missing_tools=["lspci"])])
@pytest.mark.parametrize("expected", [{"gpus": [{"uuid": "GPU-1"}]}, {}])
def test_a_gpu_that_nobody_could_look_for_is_not_missing(
    inventory: wire.Inventory | None, expected: dict[str, object], tmp_path: Path
) -> None:
    report = STAGES["GPU"](context("GPU", tmp_path, inventory=inventory, expected=expected))
    assert (report.outcome, report.findings) == (wire.Outcome.NOT_TESTED, [])
    assert report.cause is None and {check.name for check in report.checks} == {"present", "link"}


def test_an_expected_card_without_link_is_blamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from agent.probes.network.nics import NicState
    from agent.reports.partial_report import PartialReport
    from agent.stages.network import stage as network

    report = PartialReport()
    mac = "52:54:00:00:00:01"
    network._link(NicState("eth0", mac, "e1000e", "", False, None, ""), network.Wanted(mac), report)
    assert [(finding.code, finding.component) for finding in report.findings] == [
        ("network.no_link", "52:54:00:00:00:01")
    ]


@pytest.mark.parametrize(
    ("spec", "had_link", "found"),
    [
        ({}, False, wire.Severity.WARNING),
        ({}, True, wire.Severity.CRITICAL),
        ({"speed_mbit": 1000}, False, wire.Severity.CRITICAL),
        ({"neighbour": "sw1"}, False, wire.Severity.CRITICAL),
    ],
)
def test_a_port_that_never_had_a_cable_fails_only_if_the_spec_expects_its_link(
    spec: dict[str, object],
    had_link: bool,
    found: wire.Severity,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from agent.probes.network import nics
    from agent.stages.network import stage as network

    mac = "52:54:00:00:00:01"
    monkeypatch.setattr(nics, "names", lambda: ["eth0"])
    monkeypatch.setattr(nics, "state", lambda name: nics.NicState(name, mac, "igb", "", False, None, ""))
    inventory = wire.Inventory(nics=[wire.Nic("eth0", mac.upper(), link=had_link)])
    report = network.run(context("Network", tmp_path, inventory=inventory, expected={"nics": [{"mac": mac, **spec}]}))
    assert [(one.code, one.severity) for one in report.findings] == [("network.no_link", found)]
    # It never passes: whether the port should have a link is not known.
    assert [one.name for one in report.checks if one.outcome is not wire.Outcome.FAILED] == (
        ["link"] if found is wire.Severity.WARNING else []
    )
    no_failure = found is wire.Severity.WARNING
    assert report.outcome is (wire.Outcome.NOT_TESTED if no_failure else wire.Outcome.FAILED)


@pytest.mark.skipif(not shutil.which("stress-ng"), reason="stress-ng is not installed")
def test_the_real_stress_ng_verifies_all_cores(tmp_path: Path) -> None:
    inventory = wire.Inventory(cpu=wire.Cpu(1, 1, len(os.sched_getaffinity(0))))
    report = STAGES["CPUStress"](
        context("CPUStress", tmp_path, params=SHORT["CPUStress"], inventory=inventory, not_expected=["thermal"])
    )
    assert report.outcome is wire.Outcome.PASSED, report.reason
    assert any(name.startswith("cpu_bogo_ops_s.CPU") for name in report.numbers)


@pytest.mark.skipif(not shutil.which("stressapptest"), reason="stressapptest is not installed")
def test_the_real_stressapptest_covers_what_it_says(tmp_path: Path) -> None:
    params = {"duration_s": 1, "per_gib_s": 0, "test_max_mb": 64, "coverage_min_percent": 0}
    report = STAGES["Memory"](context("Memory", tmp_path, params=params))
    assert report.outcome is wire.Outcome.PASSED, report.reason
    assert report.numbers["covered_mb"] == 64
    assert report.numbers["moved_mb"] > 0


def test_coverage_below_what_the_profile_promises_is_not_tested(tmp_path: Path) -> None:
    params = {"duration_s": 1, "per_gib_s": 0, "test_max_mb": 64, "coverage_min_percent": 99}
    report = STAGES["Memory"](context("Memory", tmp_path, params=params))
    assert report.outcome is not wire.Outcome.PASSED
    assert "coverage" in report.reason


def test_memory_that_was_not_gone_through_once_is_not_tested(tmp_path: Path) -> None:
    from agent.exercises.memory_load import MemoryRoom
    from agent.stages.memory import stage as memory

    ctx, space = context("Memory", tmp_path), MemoryRoom(testable_mb=900, total_mb=1000)
    assert memory.coverage(ctx, space, moved_mb=0).outcome is wire.Outcome.NOT_TESTED
    enough = memory.coverage(ctx, space, moved_mb=1800)
    assert enough.outcome is wire.Outcome.PASSED
    assert enough.reason == "900 of 1000 MiB (90 %) were under test, 3.0 times"
    ctx.order.limits["passes_min"] = 4
    assert memory.coverage(ctx, space, moved_mb=1800).outcome is wire.Outcome.NOT_TESTED


@pytest.mark.parametrize(
    ("moved_mb", "took_s", "outcome", "more_s"),
    [
        (1800, 60, wire.Outcome.PASSED, 120),  # three passes, four are lacking
        (900, 60, wire.Outcome.PASSED, 240),
        (5400, 60, wire.Outcome.PASSED, 0),
        (5310, 60, wire.Outcome.PASSED, START_S),
        (1800, 298, wire.Outcome.PASSED, 0),
        (1800, 200, wire.Outcome.PASSED, 100),
        (1800, 60, wire.Outcome.FAILED, 0),
        (0, 60, wire.Outcome.NOT_TESTED, 0),
    ],
)
def test_memory_that_was_gone_through_too_seldom_is_tested_longer_while_there_is_time(
    moved_mb: float, took_s: float, outcome: wire.Outcome, more_s: float
) -> None:
    from agent.exercises.memory_load import MemoryOutcome, MemoryRoom
    from agent.stages.memory import stage as memory

    tested = MemoryOutcome(wire.Check("patterns", outcome), [], moved_mb, 30.0, "")
    assert memory._missing_s(MemoryRoom(900, 1000), tested, took_s, 300) == pytest.approx(more_s)


def test_what_goes_wrong_while_memory_is_tested_longer_counts() -> None:
    first = memory_load.MemoryOutcome(wire.Check("patterns", wire.Outcome.PASSED, reason="a"), [], 100.0, 30.0, "one")
    both = memory_load.continued(first, replace(first, moved_mb=50.0, evidence="two"))
    assert (both.check.outcome, both.moved_mb, both.evidence) == (wire.Outcome.PASSED, 150.0, "one\ntwo")
    for outcome in (wire.Outcome.FAILED, wire.Outcome.NOT_TESTED):
        bad = replace(
            first,
            check=wire.Check("patterns", outcome),
            findings=[wire.Finding("memory.miscompare", wire.Severity.CRITICAL, "dimm", "A1", "")],
        )
        both = memory_load.continued(first, bad)
        assert (both.check.outcome, both.findings, both.moved_mb) == (outcome, bad.findings, 200.0)


def test_cores_and_disks_burn_as_long_as_a_terabyte_takes_to_fill_and_be_worked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", tools(tmp_path, f'echo "${{0##*/}} $*" >> {tmp_path}/started'))
    monkeypatch.setattr(memory_load, "room", lambda *of: memory_load.MemoryRoom(1 << 20, 1 << 21))
    STAGES["Burn"](context("Burn", tmp_path, params={"duration_s": 90, "waves_s": 0}))
    started = {line.split()[0]: line for line in (tmp_path / "started").read_text().splitlines()}
    filled_s = (1 << 20) / 5000
    assert f"-s 90 -M {1 << 20} " in started["stressapptest"]
    for tool, option in (("stress-ng", "--timeout"), ("fio", "--runtime")):
        seconds = float(re.search(rf"{option}[ =]([\d.]+)", started[tool])[1])
        assert seconds == pytest.approx(90 + filled_s, abs=1)


def test_a_memory_test_that_is_stopped_after_it_saw_wrong_data_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from agent.host.stop import StopFlag
    from tests.agent_stages.recordings import recorded

    text = recorded("stressapptest", "forced-errors.txt")
    (tmp_path / "said").write_text(text[: text.index("Log: Thread 1")])
    tool = tmp_path / "stressapptest"
    tool.write_text(f"#!/bin/sh\n/bin/cat {tmp_path}/said\nkill -9 $$\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    outcome = memory_load.stress("patterns", 64, 1, 1, StopFlag(), [wire.Dimm("DIMM_A1", 2048)])
    assert outcome.check.outcome is wire.Outcome.FAILED
    assert [(one.code, one.component, one.value) for one in outcome.findings] == [("memory.miscompare", "DIMM_A1", 3.0)]


@pytest.mark.parametrize(("bus", "health"), [("usb", []), ("", [wire.Outcome.NOT_TESTED])])
def test_a_stick_that_is_expected_and_there_has_no_health_to_ask_for(
    bus: str, health: list[wire.Outcome], tmp_path: Path
) -> None:
    """Without a bus it is not in the machine at all."""
    fixed = INVENTORY.disks[0]
    stick = [wire.Disk("sdx", "STICK-1", "", bus, 64)] if bus else []
    ctx = context(
        "SMART", tmp_path, inventory=replace(INVENTORY, disks=[fixed, *stick]),
        expected={"disks": [{"serial": fixed.serial}, {"serial": "STICK-1"}]},
    )  # fmt: skip
    made = [one for one in STAGES["SMART"](ctx).checks if one.component == "STICK-1"]
    assert [one.outcome for one in made if one.name == "health"] == health
