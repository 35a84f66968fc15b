"""Firmware versions: who tells one, whether an expected one could be read, whether twins agree."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent import wire
from agent.probes import hba
from agent.stages import firmware
from tests.agent_stages.contexts import context


def disk(serial: str, version: str, model: str = "HD1") -> wire.Disk:
    return wire.Disk("sda", serial, "", "sata", 256, model=model, firmware=version)


def test_a_version_that_is_expected_and_that_nobody_could_read_was_not_compared(tmp_path: Path) -> None:
    inventory = wire.Inventory(firmware=wire.Firmware(bios="1.2"))
    report = firmware.run(
        context("Firmware", tmp_path, inventory=inventory, expected={"firmware": {"bios": "1.2", "bmc": "3.4"}})
    )
    made = {(check.component, check.outcome) for check in report.checks if check.name == "expected"}
    assert made == {("bmc", wire.Outcome.NOT_TESTED)}


def test_another_version_than_expected_is_judged_once_with_the_other_parts(tmp_path: Path) -> None:
    """There it is information unless the spec pins it; here it was a warning beside that."""
    inventory = wire.Inventory(firmware=wire.Firmware(bios="1.3"))
    report = firmware.run(context("Firmware", tmp_path, inventory=inventory, expected={"firmware": {"bios": "1.2"}}))
    assert report.findings == []


@pytest.mark.parametrize(
    ("versions", "blamed"),
    [(["1", "1", "1"], []), (["1", "1", "2"], ["S2"]), (["1", "", "1"], []), (["1", "2"], ["S0"]), ([], [])],
)
def test_the_twin_that_runs_another_firmware_is_named(versions: list[str], blamed: list[str]) -> None:
    found = firmware.twins(wire.Inventory(disks=[disk(f"S{n}", version) for n, version in enumerate(versions)]))
    assert [finding.component for finding in found] == blamed
    assert all(finding.severity is wire.Severity.INFO for finding in found)


def test_other_models_are_no_twins() -> None:
    assert firmware.twins(wire.Inventory(disks=[disk("A", "1"), disk("B", "2", "HD2"), disk("C", "3", "")])) == []


def test_an_adapter_tells_its_firmware_by_its_slot(tmp_path: Path) -> None:
    host = tmp_path / "sys/devices/pci0000:00/0000:00:03.0/0000:02:00.0/host0/scsi_host/host0"
    host.mkdir(parents=True)
    (host / "version_fw").write_text("16.00.12.00\n")
    (host / "board_name").write_text("SAS9300-8i\n")
    quiet = tmp_path / "sys/devices/pci0000:00/0000:00:1f.2/ata1/host1/scsi_host/host1"
    quiet.mkdir(parents=True)
    for one in (host, quiet):
        link = tmp_path / "sys/class/scsi_host" / one.name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(one)
    adapters = hba.read(tmp_path)
    assert adapters == [hba.Adapter("0000:02:00.0", "SAS9300-8i", "16.00.12.00")]
    assert firmware.collect(wire.Inventory(), adapters) == {"hba.0000:02:00.0": "16.00.12.00 SAS9300-8i"}
