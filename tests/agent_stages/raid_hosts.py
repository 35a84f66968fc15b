"""Hosts with RAID controllers, made up: the kernel's view in a directory, and a smartctl that answers for each drive by
the words that lead to it. No such controller was at hand: facts are of the drivers' sources and of smartctl's."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from agent.contract import wire
from agent.host import shell
from agent.probes.drives import bays
from agent.probes.smart.smartctl import Device

SMARTCTL = """\
#!/bin/sh
echo "$*" >> '{home}/asked'
case "$*" in *--scan*) cat '{home}/scan'; exit 0;; esac
while [ $# -gt 0 ]; do case "$1" in -d) way=$2; shift;; -*) ;; *) path=$1;; esac; shift; done
at="{home}/$way$path"
[ -e "$at/hangs" ] && exec sleep 600
[ -e "$at/says" ] && exec cat "$at/says"
cat '{home}/nobody'
exit 2
"""
# A Smart Array's list of devices ends before this number: smartmontools' cciss.cpp gives ENXIO.
NOBODY = {
    "smartctl": {
        "exit_status": 2,
        "messages": [{"string": "Smartctl open device: /dev/sda [cciss_disk_99] [SCSI/SAT] failed: INQUIRY [SAT]: "
                      "No such device or address", "severity": "error"}],
    }
}  # fmt: skip


def sas(serial: str, **more: Any) -> dict[str, Any]:
    """What a sound SAS drive says, with `more` laid over it."""
    counts = {"errors_corrected_by_eccfast": 0, "total_uncorrected_errors": 0}
    return {
        "smartctl": {"version": [7, 4], "exit_status": 0},
        "device": {"type": "scsi", "protocol": "SCSI"},
        "device_type": {"scsi_terminology": "Peripheral Device Type [PDT]", "scsi_value": 0, "name": "disk"},
        "scsi_vendor": "ACME", "scsi_product": "AC1200MM", "scsi_model_name": "ACME AC1200MM",
        "serial_number": serial,
        "smart_support": {"available": True, "enabled": True},
        "smart_status": {"passed": True},
        "temperature": {"current": 31, "drive_trip": 60},
        "power_on_time": {"hours": 21000, "minutes": 5},
        "scsi_grown_defect_list": 0,
        "scsi_error_counter_log": {"read": counts, "write": counts, "verify": counts},
        **more,
    }  # fmt: skip


def dying(serial: str) -> dict[str, Any]:
    return sas(serial, scsi_grown_defect_list=260)


ENCLOSURE = {
    "smartctl": {"exit_status": 4},
    "device": {"protocol": "SCSI"},
    "device_type": {"scsi_value": 13, "name": "enclosure"},
}


@dataclass
class Host:
    """`root` stands for `/`; what smartctl says lies in `home`. `disks` is the inventory that comes of it."""

    root: Path
    home: Path
    disks: list[wire.Disk] = field(default_factory=list)

    def controller(self, number: int, driver: str, *, proc_name: str | None = None) -> Path:
        """A SCSI host at a PCI address of its own. Returns its directory."""
        card = self.root / f"sys/devices/pci0000:00/0000:{number:02x}:00.0"
        host = card / f"host{number}"
        (host / f"scsi_host/host{number}").mkdir(parents=True)
        (host / f"scsi_host/host{number}/proc_name").write_text(f"{driver if proc_name is None else proc_name}\n")
        _link(self.root / f"sys/class/scsi_host/host{number}", host / f"scsi_host/host{number}")
        (self.root / f"sys/bus/pci/drivers/{driver}").mkdir(parents=True, exist_ok=True)
        (card / "driver").symlink_to(self.root / f"sys/bus/pci/drivers/{driver}")
        return host

    def device(self, address: str, block: str = "", sg: str = "", **attributes: str) -> None:
        """A SCSI device: a disk of the kernel's (`block`), or one that only has a generic device."""
        number = address.partition(":")[0]
        host = next((self.root / "sys/devices").glob(f"*/*/host{number}"))
        device = host / f"target{address.rpartition(':')[0]}/{address}"
        device.mkdir(parents=True)
        for name, value in {"type": "0", **attributes}.items():
            (device / name).write_text(f"{value}\n")
        _link(self.root / f"sys/class/scsi_device/{address}/device", device)
        if sg:
            (device / f"scsi_generic/{sg}").mkdir(parents=True)
        if block:
            (device / f"block/{block}").mkdir(parents=True)
            (device / f"block/{block}/device").symlink_to(device)
            _link(self.root / f"sys/block/{block}", device / f"block/{block}")
            self.disks.append(wire.Disk(block, f"SN-{block}", "", "scsi", 256, attributes.get("model", "")))

    def says(self, words: str, answer: dict[str, Any] | str) -> None:
        """`words` as they stand on smartctl's command line behind -d: `cciss,3 /dev/sda`, or the path alone."""
        at = self._at(words)
        at.mkdir(parents=True, exist_ok=True)
        (at / "says").write_text(answer if isinstance(answer, str) else json.dumps(answer))

    def silent(self, words: str) -> None:
        (self._at(words) / "says").unlink()

    def hangs(self, words: str) -> None:
        at = self._at(words)
        at.mkdir(parents=True, exist_ok=True)
        (at / "hangs").touch()

    def is_hanging(self, device: Device) -> bool:
        return (self._at(f"{device.device_type} {device.path}".strip()) / "hangs").exists()

    def scan(self, *rows: tuple[str, str]) -> None:
        devices = [{"name": name, "type": way, "protocol": "SCSI"} for name, way in rows]
        (self.home / "scan").write_text(json.dumps({"smartctl": {"exit_status": 0}, "devices": devices}))

    def asked(self) -> list[str]:
        """The command lines that smartctl was given."""
        return (self.home / "asked").read_text().splitlines() if (self.home / "asked").exists() else []

    def _at(self, words: str) -> Path:
        way, _, path = words.rpartition(" ")
        return self.home / f"{way}{path}" if way else self.home / path.lstrip("/")


def a_host(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    host = Host(directory / "root", directory / "smartctl-says")
    host.home.mkdir()
    (host.home / "nobody").write_text(json.dumps(NOBODY))
    tools = directory / "tools"
    tools.mkdir()
    (tools / "smartctl").write_text(SMARTCTL.format(home=host.home))
    (tools / "smartctl").chmod(0o755)
    host.scan()
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    return host


def give_up_soon(host: Host, monkeypatch: pytest.MonkeyPatch, after_s: float = 1.0) -> None:
    """Wait briefly for drives that hang, and for no other: a busy machine takes seconds to start a sound one's tool."""
    ask = bays.run_identity

    def run_identity(device: Device, timeout_s: float) -> shell.Completed:
        return ask(device, after_s if host.is_hanging(device) else timeout_s)

    monkeypatch.setattr(bays, "run_identity", run_identity)


def smart_array(host: Host, number: int, disk: str, *serials: str | dict[str, Any]) -> None:
    """A Smart Array with one volume and these drives, sound where only their serial number is given."""
    host.controller(number, "hpsa")
    host.device(f"{number}:1:0:0", disk, vendor="HP", model="LOGICAL VOLUME", raid_level="RAID 5")
    for bay, serial in enumerate(serials):
        host.says(f"cciss,{bay} /dev/{disk}", sas(serial) if isinstance(serial, str) else serial)


def perc(host: Host, number: int, disk: str) -> None:
    """A PERC with one volume; its drives are what the scan says."""
    host.controller(number, "megaraid_sas")
    host.device(f"{number}:2:0:0", disk, vendor="DELL", model="PERC H730 Mini")


def two_smart_arrays(first: Any, second: Any) -> Callable[[Host], None]:
    def build(host: Host) -> None:
        smart_array(host, 0, "sda", "A0", first, "A2")
        smart_array(host, 1, "sdb", "B0", "B1", second)

    return build


def one_hangs(host: Host) -> None:
    smart_array(host, 0, "sda", "A0", "A1", "A2")
    host.hangs("cciss,1 /dev/sda")
    smart_array(host, 1, "sdb", "B0")


def _link(path: Path, target: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)
