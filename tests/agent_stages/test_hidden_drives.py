"""A storage controller whose drives the kernel can't see: nothing tests these, so it is named, and the host does not
pass in silence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.contract import codec, wire
from agent.probes.bus import adapters
from agent.stage import settle
from agent.stages.inventory_check import driverless
from hosts import adoption, expectations
from runs.judging import specdiff
from tests.agent_stages.inventories import NOWHERE, REQUIRED, ToolOutputs, assembled, lspci
from tests.agent_stages.recordings import RECORDED

SLOT = "0000:3b:00.0"
RAID_MODE = wire.Adapter("0000:00:17.0", "hidden_drives", "Intel Corporation 82801 Mobile SATA Controller [RAID mode]")
HBA = wire.Adapter(SLOT, "storage", "Broadcom / LSI SAS3008", "50-06-05-b0-0c-4e-5d-20")
DEAD_HBA = replace(HBA, kind="hidden_drives")
ENTRY = {"model": RAID_MODE.model, "hidden_drives": True}
SEEN = wire.Inventory(adapters=[HBA, RAID_MODE])
TWINS = replace(SEEN, adapters=[RAID_MODE, replace(RAID_MODE, slot="0000:00:18.0")])


def kinds(root: Path, class_id: str, vendor_id: str, name: str, driver: str, slot: str = SLOT) -> list[str]:
    device = lspci.PciDevice(slot, class_id, "", vendor_id, "Maker", "0000", name, driver)
    return [one.kind for one in adapters.inventory([device], [], root)]


def outcome(machine: wire.Inventory, expected: dict[str, Any], *off: str) -> wire.Outcome:
    made = [wire.Check("disk_serials", wire.Outcome.PASSED), *driverless.checks(machine, expected)]
    return settle(made, ["disk_serials"], off).outcome


@pytest.mark.parametrize(
    ("class_id", "vendor_id", "name"),
    [
        ("0104", "1022", "SATA Controller [RAID mode]"),
        ("0104", "8086", "Volume Management Device NVMe RAID Controller"),
        ("0104", "8086", "82801 Mobile SATA Controller [RAID mode]"),
        ("0106", "8086", "C620 Series Chipset Family SATA Controller [AHCI mode]"),
        ("0101", "8086", "82801JI (ICH10 Family) 4 port SATA IDE Controller #1"),
        ("0107", "1000", "SAS3008 PCI-Express Fusion-MPT SAS-3"),
        ("0107", "8086", "C602 chipset 4-Port SATA Storage Control Unit"),
        ("0100", "9005", "AIC-7892A U160/m"),
        ("0108", "144d", "NVMe SSD Controller PM9A3"),
        ("0180", "1aed", "ioDrive2"),
    ],
)
def test_a_controller_that_no_driver_took_is_named_and_one_with_a_driver_hides_nothing(
    class_id: str, vendor_id: str, name: str, tmp_path: Path
) -> None:
    assert kinds(tmp_path, class_id, vendor_id, name, "") == ["hidden_drives"]
    assert "hidden_drives" not in kinds(tmp_path, class_id, vendor_id, name, "its driver")


@pytest.mark.parametrize(
    ("class_id", "vendor_id", "name", "kind"),
    [
        ("0107", "1000", "PCIe Switch management endpoint", "storage"),
        ("0c04", "1077", "ISP2722-based 16/32Gb Fibre Channel to PCIe Adapter", "storage"),
        ("0180", "104c", "PCIxx12 Integrated FlashMedia Controller", ""),
        ("0102", "8086", "82078 Floppy", ""),
        ("0805", "1217", "SD/MMC Card Reader Controller", ""),
        ("0109", "8086", "UFS Controller", ""),
        ("0880", "8086", "RST VMD Managed Controller", ""),
    ],
)
def test_what_leads_to_no_drive_of_the_host_hides_none(
    class_id: str, vendor_id: str, name: str, kind: str, tmp_path: Path
) -> None:
    assert kinds(tmp_path, class_id, vendor_id, name, "") == ([kind] if kind else [])


def test_a_drive_in_a_domain_of_vmd_is_one_and_a_virtual_function_is_none(tmp_path: Path) -> None:
    (tmp_path / "sys/bus/pci/devices" / SLOT / "physfn").mkdir(parents=True)
    drive = ("0108", "144d", "NVMe SSD Controller PM9A3")
    assert kinds(tmp_path, *drive, "nvme", "10000:01:00.0") == []
    assert kinds(tmp_path, *drive, "", "10000:01:00.0") == ["hidden_drives"]
    assert kinds(tmp_path, *drive, "") == []


@pytest.mark.parametrize(("count", "hides"), [("2\n", True), ("0\n", False), ("", False), ("garbage", False)])
def test_ahci_says_whether_raid_mode_took_nvme_drives_off_the_bus(count: str, hides: bool, tmp_path: Path) -> None:
    folder = tmp_path / "sys/bus/pci/devices" / SLOT
    folder.mkdir(parents=True)
    (folder / "remapped_nvme").write_text(count)
    assert (kinds(tmp_path, "0104", "8086", "SATA Controller [RAID mode]", "ahci") == ["hidden_drives"]) is hides


def test_lspcis_lines_give_a_chipsets_controller_without_a_driver() -> None:
    text = "Slot:\t0000:00:17.0\nClass:\tRAID bus controller [0104]\nVendor:\tIntel Corporation [8086]\n"
    text += "Device:\t82801 Mobile SATA Controller [RAID mode] [282a]\n"
    assert assembled(ToolOutputs(devices=lspci.parse(text)), [], NOWHERE).adapters == [RAID_MODE]
    with_driver = ToolOutputs(devices=lspci.parse(f"{text}Driver:\tahci\nModule:\tahci\n"))
    assert assembled(with_driver, [], NOWHERE).adapters == []


@pytest.mark.parametrize("recording", sorted((RECORDED / "lspci").glob("*.txt")), ids=lambda path: path.stem)
def test_no_controller_of_a_virtual_machine_hides_drives(recording: Path) -> None:
    found = adapters.inventory(lspci.parse(recording.read_text()), [], NOWHERE)
    assert "hidden_drives" not in [one.kind for one in found]


def test_a_controller_with_hidden_drives_is_not_tested_and_the_reason_says_what_to_do() -> None:
    (check,) = driverless.checks(SEEN, {})
    assert (check.outcome, check.component) == (wire.Outcome.NOT_TESTED, "0000:00:17.0")
    assert check.name in REQUIRED
    assert all(part in check.reason for part in (RAID_MODE.model, "set AHCI", "no driver", "hidden_drives: true"))


@pytest.mark.parametrize(
    ("machine", "expected", "off", "ends"),
    [
        (SEEN, {}, [], wire.Outcome.NOT_TESTED),
        (SEEN, {"adapters": [{"model": RAID_MODE.model}]}, [], wire.Outcome.NOT_TESTED),
        (SEEN, {"adapters": [ENTRY]}, [], wire.Outcome.PASSED),
        (SEEN, {}, ["storage"], wire.Outcome.PASSED),
        (SEEN, {}, ["network"], wire.Outcome.NOT_TESTED),
        (TWINS, {"adapters": [ENTRY]}, [], wire.Outcome.NOT_TESTED),
        (TWINS, {"adapters": [ENTRY, ENTRY]}, [], wire.Outcome.PASSED),
    ],
    ids=["no spec", "listed as one that works", "listed as such", "no storage", "no network", "one of two", "both"],
)
def test_only_a_controller_that_the_spec_lists_as_such_lets_the_host_pass(
    machine: wire.Inventory, expected: dict[str, Any], off: list[str], ends: wire.Outcome
) -> None:
    assert outcome(machine, expected, *off) is ends


def test_a_controller_that_is_let_pass_is_still_named_as_not_tested() -> None:
    (check,) = driverless.checks(SEEN, {"adapters": [ENTRY]})
    assert (check.name, check.outcome) == ("hidden_drives", wire.Outcome.NOT_TESTED)


def test_adopting_lists_the_controller_which_must_then_be_there() -> None:
    adopted = adoption.from_inventory(codec.encode(SEEN))
    assert ENTRY in adopted["adapters"] and outcome(SEEN, adopted) is wire.Outcome.PASSED
    assert specdiff.compare(adopted, SEEN) == []
    (missing,) = specdiff.compare(adopted, replace(SEEN, adapters=[HBA]))
    assert (missing.code, missing.component) == ("spec.missing", RAID_MODE.model)


@pytest.mark.parametrize("serial", [HBA.serial, ""])
def test_an_adapter_that_lost_its_driver_is_no_adapter_that_works_and_can_be_adopted(serial: str) -> None:
    well, ill = (wire.Inventory(adapters=[replace(one, serial=serial)]) for one in (HBA, DEAD_HBA))
    adopted = adoption.from_inventory(codec.encode(well))
    found = specdiff.compare(adopted, ill)
    assert [one.code for one in found] == ["spec.missing", "spec.unexpected"]
    assert "are hidden" in found[0].message and SLOT in found[0].message
    assert outcome(ill, adopted) is wire.Outcome.NOT_TESTED
    taken = adoption.adopt_all(adopted, [(one.path, one.actual) for one in found], codec.encode(ill))
    assert specdiff.compare(taken, ill) == [] and outcome(ill, taken) is wire.Outcome.PASSED
    assert [one.code for one in specdiff.compare(taken, well)] == ["spec.missing", "spec.unexpected"]


def test_hidden_drives_false_in_a_spec_is_the_same_as_nothing() -> None:
    read = expectations.read("adapters: [{model: SAS3008, hidden_drives: false}]").spec
    assert read == {"adapters": [{"model": "SAS3008"}]}
