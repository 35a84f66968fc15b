"""Firmware versions: who tells one, whether an expected one could be read, whether twins agree."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agent.contract import wire
from agent.probes.board import lscpu
from agent.probes.bus import hba
from agent.stages.firmware import stage as firmware
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


def adapter(root: Path, number: int, way: str, **files: str) -> None:
    """A SCSI host on a PCI device; a file's name with a hyphen for two underscores."""
    host = root / f"sys/devices/pci0000:00/{way}/host{number}/scsi_host/host{number}"
    host.mkdir(parents=True)
    for name, text in files.items():
        (host / name.replace("__", "-")).write_text(f"{text}\n")
    link = root / "sys/class/scsi_host" / host.name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(host)


SAS = wire.AdapterFirmware("0000:02:00.0", "mpt3sas", "SAS9300-8i", "16.00.12.00")
RAID = wire.AdapterFirmware("0000:03:00.0", "megaraid_sas", "LSI MegaRAID SAS-3 3108")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"proc_name": "mpt3sas", "board_name": "SAS9300-8i", "version_fw": "16.00.12.00"}, SAS),
        (
            {"proc_name": "mpi3mr", "version_fw": "8.4.0.0.00000-00001"},
            wire.AdapterFirmware("0000:02:00.0", "mpi3mr", "", "8.4.0.0.00000-00001"),
        ),
        (
            {"proc_name": "smartpqi", "model": "P408i-a SR Gen10", "firmware_version": "5.32"},
            wire.AdapterFirmware("0000:02:00.0", "smartpqi", "P408i-a SR Gen10", "5.32"),
        ),
        (
            {"proc_name": "arcmsr", "host_fw_model": "ARC-1882", "host_fw_version": "V1.56"},
            wire.AdapterFirmware("0000:02:00.0", "arcmsr", "ARC-1882", "V1.56"),
        ),
        (
            {"proc_name": "hptiop", "firmware__version": "1.5.1.5"},
            wire.AdapterFirmware("0000:02:00.0", "hptiop", "", "1.5.1.5"),
        ),
        ({"proc_name": "megaraid_sas"}, wire.AdapterFirmware("0000:02:00.0", "megaraid_sas")),
        ({"proc_name": "vmw_pvscsi"}, None),
    ],
)
def test_an_adapter_is_listed_with_the_firmware_that_its_driver_tells(
    tmp_path: Path, files: dict[str, str], expected: wire.AdapterFirmware | None
) -> None:
    adapter(tmp_path, 0, "0000:00:03.0/0000:02:00.0", **files)
    assert hba.read(tmp_path) == ([expected] if expected else [])


def test_ports_of_the_chipset_sticks_and_virtual_disks_are_no_adapters(tmp_path: Path) -> None:
    adapter(tmp_path, 0, "0000:00:1f.2/ata1", proc_name="ahci")
    adapter(tmp_path, 1, "0000:00:14.0/usb2/2-1/2-1:1.0", proc_name="usb-storage")
    adapter(tmp_path, 2, "0000:00:05.0/virtio2", proc_name="virtio_scsi")
    adapter(tmp_path, 3, "0000:00:0e.0/pci10000:e0/10000:e0:06.0", proc_name="mpt3sas", version_fw="1")
    assert [one.slot for one in hba.read(tmp_path)] == ["10000:e0:06.0"]


def with_adapters(*adapters: wire.AdapterFirmware) -> wire.Inventory:
    return wire.Inventory(firmware=wire.Firmware(adapters=list(adapters)))


def test_an_adapter_that_tells_no_version_is_named_and_not_tested(tmp_path: Path) -> None:
    report = firmware.run(context("Firmware", tmp_path, inventory=with_adapters(SAS, RAID)))
    (check,) = [check for check in report.checks if check.name == "hbas"]
    assert check.outcome is wire.Outcome.NOT_TESTED
    assert check.reason == (
        "1 of 2 tell their version; its driver tells none of 0000:03:00.0 (LSI MegaRAID SAS-3 3108)"
    )
    assert firmware.collect(with_adapters(SAS, RAID)) == {"hba.0000:02:00.0": "16.00.12.00"}


@pytest.mark.parametrize(
    "name", ["LSI MegaRAID SAS-3 3108", "lsi megaraid  sas-3 3108", "megaraid_sas", "0000:03:00.0"]
)
def test_an_adapter_whose_expected_firmware_was_not_read_was_not_compared(tmp_path: Path, name: str) -> None:
    expected = {"firmware": {"hbas": {name: "24.21", "SAS9300-8i": "16.00.12.00"}, "disks": {"HD1": "1"}}}
    inventory = replace(with_adapters(SAS, RAID), disks=[disk("S1", ""), disk("S2", "1")])
    report = firmware.run(context("Firmware", tmp_path, inventory=inventory, expected=expected))
    made = {(check.component, check.outcome) for check in report.checks if check.name == "expected"}
    assert made == {("0000:03:00.0", wire.Outcome.NOT_TESTED), ("S1", wire.Outcome.NOT_TESTED)}


def test_adapters_of_one_model_are_twins() -> None:
    other = replace(SAS, slot="0000:04:00.0", version="16.00.01.00")
    third = replace(SAS, slot="0000:05:00.0")
    (finding,) = firmware.twins(with_adapters(SAS, other, third))
    assert (finding.component_kind, finding.component, finding.limit) == ("hba", "0000:04:00.0", "16.00.12.00")


def test_a_host_without_an_adapter_has_no_check_of_one(tmp_path: Path) -> None:
    report = firmware.run(context("Firmware", tmp_path, inventory=wire.Inventory()))
    assert "hbas" not in {check.name for check in report.checks}


@pytest.mark.parametrize(
    ("revisions", "told"),
    [
        (["0x2b000603", "0x2b000603"], "0x2b000603"),
        (["0x2b000603", "0x2b000590"], "0x2b000603, 0x2b000590"),
        (["0xffffffff"], ""),
        (["0x0"], ""),
        ([], ""),
    ],
)
def test_every_revision_of_the_microcode_is_told_and_none_that_is_none(revisions: list[str], told: str) -> None:
    """A second processor with another one would be hidden behind the first."""
    cpuinfo = "".join(f"processor\t: {n}\nmicrocode\t: {text}\n" for n, text in enumerate(revisions))
    assert lscpu.with_microcode(wire.Cpu(sockets=2), cpuinfo) == wire.Cpu(sockets=2, microcode=told)
