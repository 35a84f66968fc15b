"""Which disks are volumes of a RAID controller, and what is told of those whose drives can't be asked. By the drivers'
sources and smartctl's, tried on no controller."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agent.contract import wire
from agent.exercises import drives
from agent.probes.drives import bays, raid
from agent.probes.smart import smartctl
from tests.agent_stages.raid_hosts import a_host, sas

SCAN: dict[str, Any] = {
    "smartctl": {"exit_status": 0},
    "devices": [
        {"name": "/dev/sda", "type": "scsi", "protocol": "SCSI"},
        {"name": "/dev/bus/0", "info_name": "/dev/bus/0 [megaraid_disk_00]", "type": "megaraid,0"},
        {"name": "/dev/bus/0", "info_name": "/dev/bus/0 [megaraid_disk_01] [SAT]", "type": "sat+megaraid,1"},
        {"name": "/dev/bus/0", "type": "megaraid,2", "open_error": "INQUIRY failed"},
        {"name": "/dev/bus/12", "info_name": "/dev/bus/12 [megaraid_disk_00]", "type": "megaraid,0"},
        {"name": "/dev/bsg/sssraid3", "type": "sssraid,0,4", "protocol": "SCSI"},
        {"name": "/dev/sdb", "type": "sat", "protocol": "ATA"},
        {"name": "/dev/sdc", "open_error": "DELL or MegaRaid controller, please try adding '-d megaraid,N'"},
        {"name": "/dev/bus/x", "type": "megaraid,0"},
        {"type": "megaraid,7"},
        None,
    ],
}


@pytest.mark.parametrize(
    ("by", "address", "attributes", "expected"),
    [
        ("megaraid_sas", "0:2:0:0", {}, True),
        ("megaraid_sas", "0:3:1:0", {}, True),
        ("megaraid_sas", "0:0:5:0", {}, False),
        ("hpsa", "0:1:0:0", {"raid_level": "RAID 1(+0)"}, True),
        ("hpsa", "0:0:1:0", {"raid_level": "N/A"}, False),
        ("hpsa", "0:1:0:0", {}, True),
        ("smartpqi", "0:1:0:0", {"raid_level": "RAID 5"}, True),
        ("smartpqi", "0:0:1:0", {"raid_level": "N/A"}, False),
        ("aacraid", "0:0:0:0", {"vendor": "Adaptec", "model": "RAID5"}, True),
        ("aacraid", "0:1:3:0", {"vendor": "ATA", "model": "WDC WD4000FYYZ"}, False),
        ("mpt3sas", "0:1:0:0", {"vendor": "LSI", "model": "Logical Volume"}, True),
        ("mpt2sas", "0:1:0:0", {"vendor": "LSI", "model": "Logical Volume"}, True),
        ("mptsas", "0:1:0:0", {"vendor": "Dell", "model": "VIRTUAL DISK"}, True),
        ("mpt3sas", "0:0:1:0", {"vendor": "ATA"}, False),
        ("mpt3sas", "0:2:1:0", {"vendor": "NVMe"}, False),
        ("mpi3mr", "0:1:0:0", {"vendor": "BROADCOM", "sas_address": ""}, True),
        ("mpi3mr", "0:0:0:0", {"vendor": "SEAGATE", "sas_address": "0x5000c500a1b2c3d5"}, False),
        ("mpi3mr", "0:0:1:0", {"vendor": "ATA"}, False),
        ("mpi3mr", "0:1:2:0", {"vendor": "NVMe"}, False),
        ("arcmsr", "0:0:0:0", {"vendor": "Areca", "model": "ARC-1280-VOL#00"}, True),
        ("arcmsr", "0:0:0:1", {"vendor": "Areca", "model": "backup"}, True),
        ("arcmsr", "0:0:0:2", {"vendor": "WDC", "model": "WD20EFRX-68EUZN0"}, False),
        ("hptiop", "0:0:0:0", {"vendor": "HPT", "model": "DISK_0_0"}, True),
        ("stex", "0:0:0:0", {"vendor": "Promise", "model": "2 Disk RAID1"}, True),
        ("3w-9xxx", "0:0:0:0", {"vendor": "AMCC"}, True),
        ("mvumi", "0:0:0:0", {}, True),
        ("ahci", "0:0:0:0", {"vendor": "ATA", "model": "DELLBOSS VD"}, True),
        ("ahci", "0:0:0:0", {"vendor": "ATA", "model": "CISCO VD"}, True),
        ("ahci", "0:0:0:0", {"vendor": "ATA", "model": "ThinkSystem M.2 VD"}, True),
        ("ahci", "0:0:0:0", {"vendor": "ATA", "model": "MARVELL Raid VD"}, True),
        ("ahci", "0:0:0:0", {"vendor": "ATA", "model": "ST4000NM0035"}, False),
        ("virtio_scsi", "0:0:0:0", {"vendor": "QEMU", "model": "QEMU HARDDISK"}, False),
        ("isci", "0:0:0:0", {"vendor": "ATA"}, False),
    ],
)
def test_a_volume_is_told_from_a_drive(
    by: str, address: str, attributes: dict[str, str], expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = a_host(tmp_path, monkeypatch)
    host.controller(0, by)
    host.device(address, "sda", **attributes)
    assert raid.is_volume("sda", host.root) is expected


@pytest.mark.parametrize("driver", ["arcmsr", "mvumi"])
def test_a_driver_that_gives_its_hosts_no_name_is_known_by_its_pci_device(
    driver: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their host templates have no proc_name, which the kernel prints as (null)."""
    host = a_host(tmp_path, monkeypatch)
    host.controller(0, driver, proc_name="(null)")
    host.device("0:0:0:0", "sda", vendor="Areca", model="ARC-1280-VOL#00")
    assert raid.is_volume("sda", host.root)


@pytest.mark.parametrize(
    ("model", "card"),
    [
        ("Dell BOSS-N1", "a Dell BOSS card"),
        ("HPE NS204i-u Gen11 Boot Controller", "an HPE NS204i boot card"),
        ("M.2 NVMe 2-Bay RAID Kit", "a Lenovo M.2 RAID card"),
        ("SAMSUNG MZQL23T8HCLS-00A07", ""),
        ("Dell Ent NVMe P5600 MU U.2 1.6TB", ""),
    ],
)
def test_a_mirror_that_looks_like_an_nvme_drive_is_known_by_its_model(model: str, card: str, tmp_path: Path) -> None:
    found = raid.volume("nvme0n1", tmp_path, model)
    assert (found.kind.words if found else "") == card
    device = tmp_path / "sys/devices/pci0000:00/0000:01:00.0/nvme/nvme0/nvme0n1"
    (device / "device").mkdir(parents=True)
    (device / "device/model").write_text(f"{model:40}\n")
    (tmp_path / "sys/block").mkdir()
    (tmp_path / "sys/block/nvme0n1").symlink_to(device)
    assert raid.is_volume("nvme0n1", tmp_path) is bool(card)


def test_the_scan_gives_the_drives_behind_a_controller_and_no_others() -> None:
    """Also one that smartctl could not open: the controller has it."""
    assert raid.parse_scan(json.dumps(SCAN)) == [
        smartctl.Device("/dev/bus/0", "megaraid,0"),
        smartctl.Device("/dev/bus/0", "sat+megaraid,1"),
        smartctl.Device("/dev/bus/0", "megaraid,2"),
        smartctl.Device("/dev/bus/12", "megaraid,0"),
        smartctl.Device("/dev/bsg/sssraid3", "sssraid,0,4"),
    ]


@pytest.mark.parametrize(
    ("by", "address", "attributes", "words"),
    [
        ("ahci", "0:0:0:0", {"model": "DELLBOSS VD"}, ("a Dell BOSS card", "mvcli")),
        ("mpi3mr", "0:1:0:0", {"vendor": "BROADCOM"}, ("a MegaRAID of the 9600 series", "storcli2")),
        ("hptiop", "0:0:0:0", {}, ("a HighPoint RocketRAID", "hptraidconf")),
        ("stex", "0:0:0:0", {}, ("a Promise SuperTrak", "WebPAM")),
        ("arcmsr", "0:0:0:0", {"vendor": "Areca"}, ("an Areca controller", "Areca's CLI")),
        ("3w-9xxx", "0:0:0:0", {}, ("a 3ware controller", "tw_cli")),
        ("aacraid", "0:0:0:0", {}, ("an Adaptec controller", "arcconf")),
        ("mpt3sas", "0:1:0:0", {}, ("Integrated RAID", "sas3ircu")),
        ("hpsa", "0:1:0:0", {"raid_level": "RAID 5"}, ("a Smart Array", "ssacli")),
        ("megaraid_sas", "0:2:0:0", {}, ("a MegaRAID or PERC", "storcli")),
    ],
)
def test_a_volume_whose_drives_cant_be_asked_says_so_and_names_the_makers_tool(
    by: str,
    address: str,
    attributes: dict[str, str],
    words: tuple[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """smartctl says "passed" of the volume itself, whatever is behind it: it is not asked."""
    host = a_host(tmp_path, monkeypatch)
    host.controller(0, by)
    host.device(address, "sda", **attributes)
    host.says("/dev/sda", sas("VOLUME"))
    found = drives.of(host.disks, host.root)
    assert found.drives == []
    assert [(check.name, check.component, check.outcome) for check in found.volumes] == [
        ("health", "SN-sda", wire.Outcome.NOT_TESTED)
    ]
    assert all(word in found.volumes[0].reason for word in ("sda is a RAID volume", *words))
    assert not any(line.endswith(" /dev/sda") and "-d" not in line for line in host.asked())


@pytest.mark.parametrize(
    ("vendor", "model"),
    [
        ("DELL", "PERC H730 Mini"), ("AVAGO", "MR9361-8i"), ("LSI", "MegaRAID SAS RMB"), ("HPE", "MR416i-o Gen11"),
        ("Lenovo", "RAID 930-8i-2GB"), ("FTS", "PRAID EP400i"), ("Intel", "RS3DC080"), ("SMC", "SMC3108"),
        ("HP", "LOGICAL VOLUME"), ("LSI", "Logical Volume"), ("Dell", "VIRTUAL DISK"), ("Adaptec", "RAID1"),
        ("ASR8405", "LogicalDrv 0"), ("ServeRA", "8k-l Mirror"), ("IBM", "ServeRAID M5110"),
        ("Sun", "STK RAID INT"), ("Areca", "ARC-1882-VOL#000"), ("AMCC", "9650SE-4LP DISK"), ("HPT", "DISK_0_0"),
        ("", "DELLBOSS VD"), ("", "Dell BOSS-N1"), ("", "HPE NS204i-p Gen10+ Boot Controller"), ("", "MARVELL Raid VD"),
        ("Intel", "Raid 1 Volume"),
    ],
)  # fmt: skip
def test_a_volume_that_says_passed_of_itself_has_no_health(vendor: str, model: str) -> None:
    """Also where no driver tells it, and in a recording."""
    named = {"scsi_model_name": f"{vendor} {model}"} if vendor else {"model_name": model}
    smart = smartctl.parse(json.dumps({**sas("A"), "scsi_model_name": "", **named}))
    assert smart.passed
    assert f"{vendor} {model}".strip() in smart.trouble
    assert "is a RAID volume of" in smart.trouble


@pytest.mark.parametrize(
    "model",
    [
        "SEAGATE ST1200MM0099", "HP EG0600FBVFP", "HPE MO000800JWZJQ", "DELL ST600MP0005", "Dell Ent NVMe P5600",
        "LENOVO-X ST900MM0168", "Samsung SSD 870 EVO 1TB", "INTEL SSDSC2KG480G8R", "Msft Virtual Disk",
        "VMware Virtual disk", "QEMU QEMU HARDDISK", "IBM-ESXS ST9300605SS", "MR000480GWFLV", "MB4000GVYZK",
        "LSI NWD-BLP4-800", "CT500MX500SSD1", "WDC WD2002FAEX-007BA0", "HGST HUS726T4TALE6L4", "",
    ],
)  # fmt: skip
def test_a_drive_is_taken_for_no_volume(model: str) -> None:
    assert smartctl.parse(json.dumps(sas("A", scsi_model_name=model))).trouble == ""


@pytest.mark.parametrize(
    ("answer", "is_disk", "serial"),
    [
        (sas("A"), True, "A"),
        ({**sas("A"), "device_type": {"scsi_value": 13, "name": "enclosure"}}, False, "A"),
        ({**sas("A"), "device_type": {"scsi_value": 12, "name": "storage array"}}, False, "A"),
        ({**sas("A"), "device_type": "disk"}, None, "A"),
        ({**sas("A"), "serial_number": "00000000"}, True, ""),
        ({**sas("A"), "serial_number": ["x"], "device_type": {"scsi_value": "disk"}}, None, ""),
    ],
)
def test_an_identity_is_read_as_far_as_it_is_there(answer: dict[str, Any], is_disk: bool | None, serial: str) -> None:
    who = bays.parse_identity(json.dumps(answer))
    assert (who.is_disk, who.serial) == (is_disk, serial)
