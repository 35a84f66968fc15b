"""Drives behind RAID controllers. Written by the drivers' sources and smartctl's manual, tried on no controller."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agent import wire
from agent.probes import raid, smartctl
from agent.stages import STAGES
from agent.stages.smart import drives
from tests.agent_stages.contexts import context

SCAN: dict[str, Any] = {
    "smartctl": {"exit_status": 0},
    "devices": [
        {"name": "/dev/sda", "type": "scsi", "protocol": "SCSI"},
        {"name": "/dev/bus/0", "info_name": "/dev/bus/0 [megaraid_disk_00]", "type": "megaraid,0"},
        {"name": "/dev/bus/0", "info_name": "/dev/bus/0 [megaraid_disk_01] [SAT]", "type": "sat+megaraid,1"},
        {"name": "/dev/bus/0", "type": "megaraid,2", "open_error": "failed"},
        {"name": "/dev/sdb", "type": "sat", "protocol": "ATA"},
    ],
}


def block(root: Path, by: str, address: str, name: str = "sda", **attributes: str) -> None:
    device = root / f"sys/devices/pci0/host0/target{address[:5]}/{address}"
    (device / "block" / name).mkdir(parents=True)
    for attribute, value in attributes.items():
        (device / attribute).write_text(f"{value}\n")
    (root / "sys/class/scsi_host/host0").mkdir(parents=True, exist_ok=True)
    (root / "sys/class/scsi_host/host0/proc_name").write_text(f"{by}\n")
    (root / "sys/block").mkdir(parents=True, exist_ok=True)
    (root / "sys/block" / name).symlink_to(device / "block" / name)


@pytest.mark.parametrize(
    ("by", "address", "attributes", "expected"),
    [
        ("megaraid_sas", "0:2:0:0", {}, True),
        ("megaraid_sas", "0:0:5:0", {}, False),
        ("hpsa", "0:1:0:0", {"raid_level": "RAID 1(+0)"}, True),
        ("hpsa", "0:0:1:0", {"raid_level": "N/A"}, False),
        ("smartpqi", "0:1:0:0", {"raid_level": "RAID 5"}, True),
        ("arcmsr", "0:0:0:0", {}, True),
        ("ahci", "0:0:0:0", {}, False),
        ("mpt3sas", "0:0:1:0", {}, False),
    ],
)
def test_a_volume_is_told_from_a_drive(
    tmp_path: Path, by: str, address: str, attributes: dict[str, str], expected: bool
) -> None:
    block(tmp_path, by, address, **attributes)
    assert raid.is_volume("sda", tmp_path) is expected


def test_the_scan_gives_the_drives_behind_a_controller_and_no_others() -> None:
    assert raid.parse_scan(json.dumps(SCAN)) == [
        smartctl.Device("/dev/bus/0", "megaraid,0"),
        smartctl.Device("/dev/bus/0", "sat+megaraid,1"),
    ]


def test_a_smart_arrays_drives_are_tried_one_by_one_through_one_of_its_volumes(tmp_path: Path) -> None:
    block(tmp_path, "hpsa", "0:1:0:0", "sda", raid_level="RAID 5")
    block(tmp_path, "hpsa", "0:1:0:1", "sdb", raid_level="RAID 1")
    ways = raid.ways(["sda", "sdb"], tmp_path)
    assert len(ways) == raid.CCISS_DRIVES
    assert ways[0].words[:2] == ["-d", "cciss,0"]


def stage(directory: Path, monkeypatch: pytest.MonkeyPatch, answers: dict[str, dict[str, Any]]) -> Any:
    """SMART on a host whose one disk is a MegaRAID volume; `answers` by what stands on smartctl's command line."""
    cases = [f"*{word}*) cat <<'X'\n{json.dumps(answer)}\nX\n;;" for word, answer in answers.items()]
    script = directory / "smartctl"
    script.write_text('#!/bin/sh\ncase "$*" in\n' + "\n".join(cases) + "\n*) exit 2;;\nesac\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")
    monkeypatch.setattr(raid, "is_volume", lambda name: True)
    monkeypatch.setattr(raid, "driver", lambda name, root: "megaraid_sas")
    return STAGES["SMART"](context("SMART", directory, params={"self_test": "none"}))


def reading(serial: str, **more: Any) -> dict[str, Any]:
    return {"smartctl": {"exit_status": 0}, "device": {"protocol": "SCSI"}, "serial_number": serial,
            "smart_status": {"passed": True}, **more}  # fmt: skip


def test_the_drives_behind_a_volume_are_judged_by_their_own_serial_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {"--scan": SCAN, "megaraid,0": reading("A"), "megaraid,1": reading("B", scsi_grown_defect_list=260)}
    report = stage(tmp_path, monkeypatch, answers)
    assert report.outcome is wire.Outcome.FAILED
    assert [(finding.code, finding.component) for finding in report.findings] == [("smart.grown_defects", "B")]
    assert {(check.name, check.component) for check in report.checks} == {
        ("volume_health", "S1"), ("health", "A"), ("health", "B")
    }  # fmt: skip
    assert report.numbers["raid_drives.S1"] == 2


def test_a_listed_drive_that_gives_no_serial_number_is_not_tested_though_its_siblings_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = stage(tmp_path, monkeypatch, {"--scan": SCAN, "megaraid,0": reading("A")})
    assert report.outcome is wire.Outcome.NOT_TESTED
    assert "megaraid,1: the controller lists this drive" in report.reason


def test_a_volume_that_says_passed_passes_nothing_while_its_drives_are_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """smartctl says "passed" of a volume, whatever is behind it."""
    report = stage(tmp_path, monkeypatch, {"--scan": {"devices": []}, "-x": reading("VOLUME")})
    assert report.outcome is wire.Outcome.NOT_TESTED
    assert "RAID volume" in report.reason


def test_a_drive_that_the_controller_also_passes_through_is_asked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disks = [wire.Disk("sda", "VOLUME", "", "scsi", 256), wire.Disk("sdb", "A", "", "scsi", 256)]
    monkeypatch.setattr(raid, "is_volume", lambda name: name == "sda")
    monkeypatch.setattr(raid, "ways", lambda names: [smartctl.Device("/dev/bus/0", "megaraid,0")])
    monkeypatch.setattr(drives, "_serial", lambda way: "A")
    assert [drive.label for drive in drives.of(disks).drives] == ["sdb"]
