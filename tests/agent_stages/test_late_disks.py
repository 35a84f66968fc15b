"""Disks that come late, and controllers that deliver none: a sound host is not blamed, and a disk that is really gone
is still missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.contract import codec, wire
from agent.counters.kernel.kmsg import Classifier, parse
from agent.probes.bus.lspci import PciDevice
from agent.stage import settle
from agent.stages.inventory_check import driverless, late_disks, unready
from agent.stages.inventory_check.late_disks import Waited
from hosts import adoption, found_parts
from runs import orchestrator_stages
from runs.models import Outcome
from tests.agent_stages.contexts import PROFILE, context

AHCI, NVME, NIC = "0000:00:1f.2", "0000:3d:00.0", "0000:05:00.0"
DONE = Waited(udev_done=True, absent=[])
LACKS = Waited(udev_done=True, absent=["SATA-1"])
BUSY = Waited(udev_done=False, absent=["SATA-1"])
ENDED = f"30,1,180000000,-;systemd-udevd[143]: {AHCI}: Worker [151] processing SEQNUM=1203 killed"
SLOW = f"28,2,60000000,-;systemd-udevd[143]: {AHCI}: Worker [151] processing SEQNUM=1203 is taking a long time"
OF_A_DISK = "30,3,60000000,-;systemd-udevd[143]: sda: Worker [151] processing SEQNUM=1290 killed"
GAVE_UP = f"3,4,180100000,-;ahci {AHCI}: probe with driver ahci failed with error -12\n SUBSYSTEM=pci"
BEFORE_6_5 = f"3,4,180100000,-;ahci: probe of {AHCI} failed with error -5"
NIC_GAVE_UP = f"3,5,9000000,-;igc {NIC}: probe with driver igc failed with error -5"


def device(slot: str, class_id: str, driver: str) -> PciDevice:
    return PciDevice(slot, class_id, "", "8086", "Intel Corporation", "2922", "a controller", driver)


def found(*lines: str, driver: str = "", waited: Waited = LACKS, root: Path = Path("/nowhere")) -> list[wire.Unready]:
    records = [record for line in lines if (record := parse(line))]
    devices = [device(AHCI, "0106", driver), device(NVME, "0108", "nvme"), device(NIC, "0200", "igb")]
    return unready.controllers(unready.read(records), devices, waited, 240, root)


def disk(root: Path, name: str, serial: str) -> None:
    block = root / "sys/block" / name
    (block / "device").mkdir(parents=True)
    (block / "size").write_text("524288\n")
    (block / "serial").write_text(f"{serial}\n")


def waits(root: Path, monkeypatch: pytest.MonkeyPatch, *later: Any, **params: Any) -> Waited:
    """What the wait returns. Each of `later` is done at one look, before it."""
    steps = iter(later)
    ctx = context("InventoryCheck", root, expected={"disks": [{"serial": "SATA-1"}]}, params=params)
    monkeypatch.setattr(ctx.stop, "wait", lambda seconds: bool(next(steps, lambda: None)()))
    return late_disks.wait(ctx, root)


def busy(root: Path) -> Path:
    (root / "run/udev").mkdir(parents=True)
    (root / "run/udev/queue").touch()
    return root / "run/udev/queue"


def test_a_disk_that_spins_up_late_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    later = [lambda: None, lambda: disk(tmp_path, "sda", "SATA-1")]
    assert waits(tmp_path, monkeypatch, *later) == DONE


def test_udev_is_waited_for_though_every_expected_disk_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk(tmp_path, "sda", "SATA-1")
    assert waits(tmp_path, monkeypatch, busy(tmp_path).unlink) == DONE


@pytest.mark.parametrize(
    ("is_busy", "params", "ends"),
    [
        (False, {"disk_wait_s": 0}, LACKS),
        (True, {"udev_wait_s": 0}, BUSY),
    ],
    ids=["a disk that is gone", "udev that never ends"],
)
def test_the_wait_has_a_limit(
    is_busy: bool, params: dict[str, Any], ends: Waited, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_busy:
        busy(tmp_path)
    assert waits(tmp_path, monkeypatch, **params) == ends


def test_without_a_spec_nothing_but_udev_is_waited_for(tmp_path: Path) -> None:
    assert late_disks.wait(context("InventoryCheck", tmp_path), tmp_path) == DONE


@pytest.mark.parametrize("line", [GAVE_UP, BEFORE_6_5])
def test_a_controller_whose_driver_gave_up_is_named_with_the_buses_of_its_disks(line: str) -> None:
    (one,) = found(line)
    assert (one.slot, one.kind, one.buses) == (AHCI, "storage", ["sata"])
    assert "its driver ahci gave up with error -" in one.why


@pytest.mark.parametrize(
    ("lines", "driver", "waited", "slots"),
    [
        ([], "ahci", LACKS, []),
        ([GAVE_UP], "ahci", LACKS, []),
        ([ENDED], "ahci", LACKS, [AHCI]),
        ([ENDED], "ahci", DONE, []),
        ([ENDED], "", DONE, [AHCI]),
        ([SLOW], "ahci", LACKS, []),
        ([SLOW], "ahci", BUSY, [AHCI, ""]),
        ([OF_A_DISK], "ahci", LACKS, []),
        ([], "ahci", BUSY, [""]),
        ([NIC_GAVE_UP], "ahci", LACKS, []),
    ],
    ids=[
        "nothing was said", "started again", "worker ended, disk absent", "worker ended, all there",
        "worker ended, no driver", "slow, but done", "still slow", "a worker that read a disk", "udev busy",
        "a card that has its driver",
    ],
)  # fmt: skip
def test_a_controller_that_answered_is_not_named(
    lines: list[str], driver: str, waited: Waited, slots: list[str]
) -> None:
    assert [one.slot for one in found(*lines, driver=driver, waited=waited)] == slots


def test_a_card_whose_worker_udev_ended_and_that_has_its_driver_is_ready_though_a_disk_is_absent() -> None:
    said = unready.Said(ended={NIC})
    card = device(NIC, "0200", "igb")
    assert unready.controllers(said, [card], LACKS, 60.0) == []
    (one,) = unready.controllers(said, [replace(card, driver="")], LACKS, 60.0)
    assert (one.slot, one.kind) == (NIC, "network")


@pytest.mark.parametrize(
    ("class_id", "vendor_id", "hides_nvme"), [("0104", "1000", False), ("0104", "8086", True), ("0100", "1000", False)]
)
def test_only_a_controller_that_can_have_nvme_drives_hides_them(
    class_id: str, vendor_id: str, hides_nvme: bool
) -> None:
    controller = replace(device(AHCI, class_id, ""), vendor_id=vendor_id)
    (one,) = unready.controllers(unready.Said(ended={AHCI}), [controller], LACKS, 60.0)
    gone = replace(WITHOUT_SATA, disks=[], unready=[one])
    missing = [d.component for d in orchestrator_stages.compare(SPEC, gone).differences if d.code == "spec.missing"]
    assert missing == ([] if hides_nvme else ["NVME-1"])


def test_of_two_disks_with_one_serial_number_the_one_behind_a_late_controller_is_named() -> None:
    two = [{"serial": "S-1", "wwn": wwn, "bus": "sata"} for wwn in ("0x5000c500a0000001", "0x5000c500a0000002")]
    there = wire.Disk("sda", "S-1", two[0]["wwn"], "sata", 976762)
    compared = orchestrator_stages.compare({"disks": two}, wire.Inventory(disks=[there], unready=[NOT_READY]))
    assert compared.outcome is not Outcome.PASSED


def test_a_worker_of_a_device_below_the_controller_names_the_controller(tmp_path: Path) -> None:
    below = tmp_path / f"sys/devices/pci0000:00/{AHCI}/virtio3"
    below.mkdir(parents=True)
    bus = tmp_path / "sys/bus/virtio/devices"
    bus.mkdir(parents=True)
    (bus / "virtio3").symlink_to(below)
    (one,) = found(ENDED.replace(f"{AHCI}:", "virtio3:"), root=tmp_path)
    assert one.slot == AHCI


DISKS = [{"serial": "SATA-1", "bus": "sata"}, {"serial": "NVME-1", "bus": "nvme"}]
NVME_DISK = wire.Disk("nvme0n1", "NVME-1", "", "nvme", 976762)
SPEC: dict[str, Any] = {"disks": DISKS, "nics": [{"mac": "52:54:00:00:00:01"}]}
PORT = wire.Nic("eno1", "52:54:00:00:00:01")
NOT_READY = wire.Unready(AHCI, "storage", f"{AHCI} (ahci) was not ready: its driver ahci gave up", ["sata"])
WITHOUT_SATA = wire.Inventory(disks=[NVME_DISK], nics=[PORT], unready=[NOT_READY])


def test_a_disk_behind_it_is_not_compared_and_is_named() -> None:
    compared = orchestrator_stages.compare(SPEC, WITHOUT_SATA)
    assert (compared.outcome, compared.differences) == (Outcome.NOT_TESTED, [])
    assert f"disks[SATA-1] could not be compared: {AHCI} (ahci) was not ready" in compared.reason


@pytest.mark.parametrize(
    ("inventory", "missing"),
    [
        (replace(WITHOUT_SATA, unready=[]), ["SATA-1"]),
        (replace(WITHOUT_SATA, disks=[]), ["NVME-1"]),
        (replace(WITHOUT_SATA, nics=[]), ["52:54:00:00:00:01"]),
        (replace(WITHOUT_SATA, disks=[], unready=[wire.Unready("", "any", "udev has not finished")]), []),
        (replace(WITHOUT_SATA, nics=[], unready=[NOT_READY, wire.Unready(NIC, "network", "not ready")]), []),
    ],
    ids=["nothing was late", "a disk on another bus", "a port, and a late controller", "udev is busy", "a late card"],
)
def test_what_is_gone_from_a_controller_that_answered_is_missing(inventory: wire.Inventory, missing: list[str]) -> None:
    compared = orchestrator_stages.compare(SPEC, inventory)
    assert [one.component for one in compared.differences if one.code == "spec.missing"] == missing
    assert compared.outcome is (Outcome.FAILED if missing else Outcome.NOT_TESTED)


NVME_LATE = wire.Unready(NVME, "storage", f"{NVME} (nvme) was not ready: its driver nvme gave up", ["nvme"], 1)
TWO_NVME = {"disks": [{"serial": "NVME-1", "bus": "nvme"}, {"serial": "NVME-2", "bus": "nvme"}]}


@pytest.mark.parametrize(
    ("there", "late", "missing"),
    [
        (["NVME-1"], [NVME_LATE], []),
        ([], [NVME_LATE], ["NVME-1", "NVME-2"]),
        ([], [NVME_LATE, replace(NVME_LATE, slot="0000:3e:00.0")], []),
        ([], [NVME_LATE, wire.Unready("", "any", "udev has not finished")], []),
    ],
    ids=["one is absent", "two are absent", "and two controllers", "and udev is busy"],
)
def test_an_nvme_controller_excuses_one_drive(there: list[str], late: list[wire.Unready], missing: list[str]) -> None:
    """Which of two is the one that is gone, nothing says: so both are named."""
    disks = [replace(NVME_DISK, serial=serial) for serial in there]
    compared = orchestrator_stages.compare(TWO_NVME, wire.Inventory(disks=disks, unready=late))
    assert [one.component for one in compared.differences if one.code == "spec.missing"] == missing
    assert compared.outcome is (Outcome.FAILED if missing else Outcome.NOT_TESTED)
    for one in compared.differences:
        assert one.message.endswith(f"2 such disks are absent, and {NVME}, not ready, can have 1")


def test_the_namespaces_of_one_drive_are_one_drive() -> None:
    spec = {"disks": [{"serial": "NVME-1", "wwn": wwn, "bus": "nvme"} for wwn in ("eui.01", "eui.02")]}
    assert orchestrator_stages.compare(spec, wire.Inventory(unready=[NVME_LATE])).differences == []


@pytest.mark.parametrize(("most", "missing"), [(1, 2), (2, 0), (None, 0)])
def test_a_card_excuses_as_many_ports_as_it_can_have(most: int | None, missing: int) -> None:
    spec = {"nics": [{"mac": f"52:54:00:00:00:0{number}"} for number in range(3)]}
    there = [wire.Nic("eno1", "52:54:00:00:00:00", link=True)]
    late = wire.Unready(NIC, "network", "not ready", most=most)
    compared = orchestrator_stages.compare(spec, wire.Inventory(nics=there, unready=[late]))
    assert [one.code for one in compared.differences].count("spec.missing") == missing
    assert compared.outcome is (Outcome.FAILED if missing else Outcome.NOT_TESTED)


@pytest.mark.parametrize(
    ("class_id", "vendor_id", "driver", "most"),
    [
        ("0108", "144d", "nvme", 1), ("0108", "15b3", "", 1), ("0106", "8086", "ahci", None),
        ("0104", "8086", "vmd", None), ("0107", "1000", "mpt3sas", None),
        ("0200", "8086", "igb", 1), ("0200", "15b3", "mlx5_core", 1), ("0200", "15b3", "mlx4_core", 2),
        ("0200", "1425", "", 4), ("0200", "19ee", "", None),
    ],
)  # fmt: skip
def test_a_controllers_drives_and_ports_are_bounded_by_its_kind(
    class_id: str, vendor_id: str, driver: str, most: int | None
) -> None:
    controller = replace(device(AHCI, class_id, ""), vendor_id=vendor_id)
    gave_up = {AHCI: (driver, "-5")} if driver else {}
    (one,) = unready.controllers(unready.Said(gave_up, ended={AHCI}), [controller], LACKS, 60.0)
    assert one.most == most


def test_adopting_expects_no_part_of_a_list_that_may_not_be_whole() -> None:
    assert "disks" not in adoption.from_inventory(codec.encode(WITHOUT_SATA))
    assert "SATA" not in str(found_parts.unread(codec.encode(replace(WITHOUT_SATA, unready=[]))))
    assert AHCI in found_parts.unread(codec.encode(WITHOUT_SATA))["disks"]


HBA = wire.Adapter("0000:3b:00.0", "hidden_drives", "Broadcom SAS3008")
LATE_HBA = wire.Inventory(adapters=[HBA], unready=[wire.Unready(HBA.slot, "storage", "late", ["sas"])])


@pytest.mark.parametrize("listed", [[{"model": HBA.model}], []])
def test_an_adapter_that_was_not_ready_is_neither_missing_nor_unexpected(listed: list[dict[str, Any]]) -> None:
    spec = {"disks": [], "adapters": listed}
    assert orchestrator_stages.compare(spec, LATE_HBA).differences == []
    codes = {one.code for one in orchestrator_stages.compare(spec, replace(LATE_HBA, unready=[])).differences}
    assert codes == ({"spec.missing", "spec.unexpected"} if listed else {"spec.unexpected"})


def test_the_stage_names_it_in_a_finding_and_does_not_pass() -> None:
    (finding,) = unready.report(WITHOUT_SATA).findings
    assert (finding.code, finding.severity) == ("system.controller_not_ready", wire.Severity.WARNING)
    assert finding.component == AHCI
    required = PROFILE["stages"]["InventoryCheck"]["required"]
    passed = [wire.Check(name, wire.Outcome.PASSED) for name in required]
    settled = settle([*passed, *unready.report(WITHOUT_SATA).checks], required, [])
    assert settled.outcome is wire.Outcome.NOT_TESTED and AHCI in settled.reason


def test_a_controller_that_the_spec_knows_without_a_driver_is_no_news() -> None:
    listed = {"adapters": [{"model": HBA.model, "hidden_drives": True}]}
    assert driverless.without_listed(LATE_HBA, listed).unready == []
    assert driverless.without_listed(LATE_HBA, {"adapters": [{"model": HBA.model}]}).unready == LATE_HBA.unready


def severity(*lines: str) -> list[str]:
    classify = Classifier()
    return [str(hit.severity) for line in lines if (record := parse(line)) for hit in classify.look(record)]


def test_the_kernels_words_do_not_fail_a_controller_whose_start_udev_ended() -> None:
    assert severity(ENDED, GAVE_UP) == ["warning"]


@pytest.mark.parametrize(
    "lines",
    [
        [GAVE_UP],
        [OF_A_DISK, GAVE_UP],
        [ENDED, GAVE_UP.replace("-12", "-5")],
        [f"6,1,1,-;{ENDED.partition(';')[2]}", GAVE_UP],
        [ENDED.replace("180000000", "1"), GAVE_UP],
    ],
    ids=["by itself", "another device", "an error of its own", "not udev's line", "long before"],
)
def test_a_controller_that_gave_up_by_itself_fails_the_host(lines: list[str]) -> None:
    assert severity(*lines) == ["critical"]
