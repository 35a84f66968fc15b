"""Volumes of RAID controllers: which of the kernel's disks are volumes, of which controller, and how smartctl reaches
the drives behind them. A volume has no health of its own; its drives have.

Written from the drivers' sources and smartctl(8), and not tried on real controllers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from agent.host import shell, sysfs
from agent.parsing import clean, mapping, parse_json, sequence
from agent.probes.drives import raid_models
from agent.probes.smart.smartctl import Device

# How smartctl reaches the drives: its scan lists them (MegaRAID), they have numbers (Smart Array), or the kernel has
# them as SCSI devices without a disk (members of the arrays of aacraid and Fusion-MPT).
SCAN, NUMBERS, MEMBERS = "scan", "numbers", "members"
_PCI = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
_ADDRESS = re.compile(r"(\d+):(\d+):(\d+):(\d+)")


@dataclass(frozen=True)
class Place:
    """The place of a disk in the SCSI system: its device in sysfs, the host's number and the channel. Each is None if
    there is none."""

    device: Path
    host: int | None
    channel: int | None

    def says(self, attribute: str) -> str:
        return clean(sysfs.text(self.device / attribute))


@dataclass(frozen=True)
class Kind:
    """The controllers of one driver: their common name, the maker's tool, which of their disks are volumes, and how
    smartctl reaches the drives ('' if it can't)."""

    words: str
    tool: str
    is_volume: Callable[[Place], bool] = lambda place: True
    reach: str = ""


@dataclass(frozen=True)
class Volume:
    """`host` is the SCSI host's number, None for a card that shows its volume as a SATA or NVMe drive."""

    name: str
    kind: Kind
    host: int | None = None
    slot: str = ""

    @property
    def told(self) -> str:
        return f"{self.name} is a RAID volume of {self.kind.words}{f' at {self.slot}' if self.slot else ''}"


@dataclass(frozen=True)
class Controller:
    """One SCSI host of a RAID driver. `disks` are the kernel's disks on it, volumes first."""

    host: int
    kind: Kind
    disks: tuple[str, ...]


def _on(*channels: int) -> Callable[[Place], bool]:
    """A disk whose channel can't be read counts as a volume: then it is not tested, and does not pass."""
    return lambda place: place.channel is None or place.channel in channels


def _has_level(place: Place) -> bool:
    """hpsa and smartpqi give N/A as the level of a drive. Their volumes are on channel 1, those of external arrays on
    2."""
    level = place.says("raid_level")
    return level != "N/A" if level else _on(1, 2)(place)


def _has_no_sas_address(place: Place) -> bool:
    """mpi3mr gives a SAS or SATA drive its address, and names the vendor of other drives."""
    is_sas = any(part.startswith("end_device-") for part in place.device.parts) or place.says("sas_address")
    return not is_sas and place.says("vendor") not in ("ATA", "NVMe")


_SMART_ARRAY = Kind("a Smart Array", "ssacli", _has_level, NUMBERS)
_FUSION = Kind("a Fusion-MPT adapter with Integrated RAID", "sas2ircu or sas3ircu", _on(1), MEMBERS)
_3WARE = Kind("a 3ware controller", "tw_cli, or smartctl -d 3ware,N")
_OLD_MEGARAID = Kind("an old MegaRAID", "megacli")
_SERVERAID = Kind("a ServeRAID", "ipssend")
# By the driver's name. Channels: MEGASAS_MAX_PD_CHANNELS, HPSA_RAID_VOLUME_BUS and PQI_RAID_VOLUME_BUS,
# CONTAINER_CHANNEL, RAID_CHANNEL and MPTSAS_RAID_CHANNEL. [drivers/scsi and drivers/message/fusion of Linux 6.12]
KINDS: dict[str, Kind] = {
    "megaraid_sas": Kind("a MegaRAID or PERC", "storcli or perccli", _on(2, 3), SCAN),
    "sssraid": Kind("a 3SNIC controller", "sssraid's own", reach=SCAN),
    "hpsa": _SMART_ARRAY,
    "smartpqi": _SMART_ARRAY,
    "aacraid": Kind("an Adaptec controller", "arcconf", _on(0), MEMBERS),
    "mpt2sas": _FUSION,
    "mpt3sas": _FUSION,
    "mptsas": _FUSION,
    "mpi3mr": Kind("a MegaRAID of the 9600 series", "storcli2", _has_no_sas_address),
    # A drive that is passed through reports its own vendor.
    "arcmsr": Kind(
        "an Areca controller",
        "Areca's CLI, or smartctl -d areca,N",
        lambda place: place.says("vendor") in ("", "Areca"),
    ),
    "3w-9xxx": _3WARE,
    "3w-sas": _3WARE,
    "3w-xxxx": _3WARE,
    "hptiop": Kind("a HighPoint RocketRAID", "hptraidconf"),
    "stex": Kind("a Promise SuperTrak", "Promise's WebPAM"),
    "mvumi": Kind("a Marvell controller", "mvcli"),
    "megaraid": _OLD_MEGARAID,
    "megaraid_mbox": _OLD_MEGARAID,
    "ips": _SERVERAID,
    "esas2r": Kind("an ATTO ExpressSAS", "ATTO's ConfigTool"),
    "pmcraid": Kind("a PMC MaxRAID", "pmcraid's own"),
    "spraid": Kind("a Ramaxel controller", "spraid's own"),
}


def place(name: str, root: Path = Path("/")) -> Place:
    device = (root / "sys/block" / name).resolve().parent.parent
    address = _ADDRESS.fullmatch(device.name)
    return Place(device, int(address[1]), int(address[2])) if address else Place(device, _host(device), None)


def driver(name: str, root: Path = Path("/")) -> str:
    """The driver of a disk's SCSI host. Empty for a disk without one."""
    where = place(name, root)
    return "" if where.host is None else driver_of(where.host, where.device, root)


def driver_of(host: int, device: Path, root: Path = Path("/")) -> str:
    """The driver's name from the host, or else from the PCI device: arcmsr and mvumi give their hosts no name."""
    said = sysfs.text(root / f"sys/class/scsi_host/host{host}/proc_name")
    if said in KINDS:
        return said
    cards = [parent for parent in device.parents if _PCI.fullmatch(parent.name)]
    bound = (cards[0] / "driver").resolve().name if cards and (cards[0] / "driver").exists() else ""
    return bound if bound in KINDS else said


def volume(name: str, root: Path = Path("/"), model: str = "") -> Volume | None:
    """Which array of which controller a disk is. None for a drive, also for one that a RAID controller passes
    through."""
    where = place(name, root)
    kind = KINDS.get(driver(name, root))
    if kind is not None:
        return Volume(name, kind, where.host, _slot(where.device)) if kind.is_volume(where) else None
    shown = clean(model) or clean(sysfs.text(root / "sys/block" / name / "device/model"))
    maker = raid_models.of(f"{where.says('vendor')} {shown}".strip())
    return Volume(name, Kind(maker.words, maker.tool), None, _slot(where.device)) if maker else None


def is_volume(name: str, root: Path = Path("/")) -> bool:
    """Whether the kernel's disk is an array of a controller, and not a drive that the controller passes through."""
    return volume(name, root) is not None


def state(name: str, root: Path = Path("/")) -> str:
    """The volume's state in the driver's word: active, degraded, resyncing, offline. Only mpt2sas and mpt3sas report
    it; otherwise it is empty. [drivers/scsi/raid_class.c]"""
    said = sysfs.text(root / "sys/class/raid_devices" / place(name, root).device.name / "state")
    return "" if said == "unknown" else said


def controllers(volumes: Iterable[Volume], root: Path = Path("/")) -> list[Controller]:
    """The controllers of these volumes, and those without any disk in the kernel: a controller that has lost its only
    volume still has drives."""
    found: dict[int, Controller] = {}
    for one in volumes:
        if one.host is not None:
            known = found.get(one.host, Controller(one.host, one.kind, ()))
            found[one.host] = Controller(one.host, one.kind, (*known.disks, one.name))
    for host in sorted((root / "sys/class/scsi_host").glob("host*")):
        number = _host(host)
        kind = None if number is None else KINDS.get(driver_of(number, host.resolve(), root))
        if number is not None and number not in found and kind and kind.reach and not _has_disk(number, root):
            found[number] = Controller(number, kind, ())
    return [found[number] for number in sorted(found)]


def members(host: int, root: Path = Path("/")) -> list[tuple[str, str]]:
    """The SCSI disks of a host for which the kernel has made no disk: their generic device (sg3; '' if the kernel has
    none) and their address."""
    found = []
    for device in _devices(host, root):
        if sysfs.text(device / "type") == "0" and not (device / "block").exists():
            found.append((_generic(device), device.name))
    return found


def generic(host: int, root: Path = Path("/")) -> str:
    """The controller itself as a SCSI device (type 12, SPC-4): how to reach it if there is no volume."""
    itself = [device for device in _devices(host, root) if sysfs.text(device / "type") == "12"]
    return next(filter(None, map(_generic, itself)), "")


def _devices(host: int, root: Path) -> list[Path]:
    links = sorted((root / "sys/class/scsi_device").glob(f"{host}:*"))
    return [device for device in ((link / "device").resolve() for link in links) if _ADDRESS.fullmatch(device.name)]


def _has_disk(host: int, root: Path) -> bool:
    return any((device / "block").exists() for device in _devices(host, root))


def _generic(device: Path) -> str:
    return next((one.name for one in sorted((device / "scsi_generic").glob("sg*"))), "")


def _host(path: Path) -> int | None:
    named = (re.fullmatch(r"host(\d{1,9})", part) for part in path.parts)
    return next((int(match[1]) for match in named if match), None)


def _slot(device: Path) -> str:
    return next((part for part in reversed(device.parts) if _PCI.fullmatch(part)), "")


def run_scan(timeout_s: float = 60.0) -> shell.Completed:
    """Scan without opening a drive, since one that hangs would delay the whole list."""
    return shell.run(["smartctl", "-j", "--scan"], timeout_s)


def parse_scan(text: str) -> list[Device]:
    """The drives that smartctl reaches only through a controller, including those that it could not open. Raises
    ParseError."""
    rows = [mapping(row) for row in sequence(parse_json(text, "smartctl").get("devices"))]
    named = [Device(clean(row.get("name")), clean(row.get("type"))) for row in rows]
    return list(dict.fromkeys(device for device in named if scanned_host(device) is not None))


def scanned_host(device: Device) -> int | None:
    """The SCSI host of a drive in smartctl's scan: `/dev/bus/0 -d megaraid,3`, `/dev/bsg/sssraid1 -d sssraid,0,4`."""
    match = re.fullmatch(r"/dev/(?:bus/|bsg/sssraid)(\d{1,9})", device.path)
    behind = re.search(r"\b(megaraid,\d|sssraid,\d)", device.device_type[:80])
    return int(match[1]) if match and behind else None
