"""Volumes of RAID controllers, and the ways to the drives behind them. A volume has no health: its drives have.

Written against the drivers' sources and smartctl(8); tried on no such controller."""

from __future__ import annotations

import re
from pathlib import Path

from agent import shell, sysfs
from agent.probes.parsing import clean, mapping, parse_json, sequence
from agent.probes.smartctl import Device

MEGARAID, CCISS = ("megaraid_sas",), ("hpsa", "smartpqi")
# Arrays of these are volumes, too, but the drives behind them can't be listed without the maker's tool.
OTHERS = ("aacraid", "arcmsr", "3w-9xxx", "3w-sas", "3w-xxxx")
CCISS_DRIVES = 16
_VOLUME_CHANNEL = 2  # megaraid_sas: physical drives are on channels 0 and 1, volumes on 2 and 3


def driver(name: str, root: Path = Path("/")) -> str:
    """The driver of the SCSI host that a disk hangs on; '' for a disk without one."""
    real = (root / "sys/block" / name).resolve()
    host = next((part for part in real.parts if re.fullmatch(r"host\d+", part)), "")
    return sysfs.text(root / "sys/class/scsi_host" / host / "proc_name") if host else ""


def is_volume(name: str, root: Path = Path("/")) -> bool:
    """Whether the kernel's disk is an array of a controller and not a drive that the controller passes through."""
    by, device = driver(name, root), (root / "sys/block" / name).resolve().parent.parent
    if by in MEGARAID:
        address = re.fullmatch(r"\d+:(\d+):\d+:\d+", device.name)
        return address is not None and int(address[1]) >= _VOLUME_CHANNEL
    if by in CCISS:
        return sysfs.text(device / "raid_level") not in ("", "N/A")
    return by in OTHERS


def ways(names: list[str], root: Path = Path("/")) -> list[Device]:
    """Ways to drives behind these volumes. Of the Smart Array's it is not known which exist: those that don't answer
    are none. Raises ParseError when smartctl's scan is no scan."""
    drivers = {name: driver(name, root) for name in names}
    found: list[Device] = []
    if any(by in MEGARAID for by in drivers.values()):
        found += parse_scan(run_scan().stdout)
    # All volumes of a controller lead to the same drives, so one of each is asked.
    for _, name in sorted({by: name for name, by in drivers.items() if by in CCISS}.items()):
        found += [Device(f"/dev/{name}", f"cciss,{number}") for number in range(CCISS_DRIVES)]
    return found


def is_listed(way: Device) -> bool:
    """Whether the controller names this drive; the others are only tried."""
    return "megaraid," in way.way


def run_scan(timeout_s: float = 60.0) -> shell.Completed:
    return shell.run(["smartctl", "-j", "--scan-open"], timeout_s)


def parse_scan(text: str) -> list[Device]:
    """The drives that smartctl reaches through a controller only. Raises ParseError."""
    rows = [mapping(row) for row in sequence(parse_json(text, "smartctl").get("devices"))]
    named = [Device(clean(row.get("name")), clean(row.get("type"))) for row in rows if "open_error" not in row]
    return [device for device in named if is_listed(device) and device.path.startswith("/dev/")]
