"""The disks of this host: from sysfs first, because udev can't confuse the kernel, then completed from lsblk."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from agent.contract import wire
from agent.host import sysfs
from agent.parsing import clean, identifier
from agent.probes.drives.lsblk import BlockDevice

SECTOR_BYTES = 512
MIB = 1024 * 1024
BLOCK = Path("/sys/block")
# Not disks: memory, devices made of several disks, optical and floppy drives, programs, boot areas of an eMMC. Nor are
# disks of other machines without a SCSI host (AoE, RNBD).
_NOT_A_DISK = re.compile(
    r"^(loop|ram|zram|dm-|md|sr|fd|nbd|mtdblock|pmem|bcache|rbd|drbd|zd|ublkb|nullb|etherd!|rnbd)|^mmcblk\d+(boot|rpmb)"
)
# Disks on another machine or in a shared array: an iSCSI session, a Fibre Channel port; NVMe controllers that are
# reached by a network. [scsi_transport_iscsi.c, scsi_transport_fc.c; the transports in drivers/nvme/host]
# Initiators that put their targets directly below the host, by the host's proc_name: SRP (ib_srp.c), Cisco's snic.
_REMOTE_DRIVERS = frozenset({"ib_srp", "snic"})
_REMOTE_SCSI = re.compile(r"/(?:session\d+|rport-\d+:\d+-\d+)/")
# A storage array on SAS cables. Its volumes need a handler for its paths (drivers/scsi/scsi_dh.c: ALUA, RDAC), and have
# a name of the kind that is given to volumes (NAA 6, SPC-5 7.7.6.6); a drive has NAA 5. Volumes of a RAID controller
# have such a name, and no handler.
_ON_SAS, _NO_HANDLER, _OF_VOLUMES = "/end_device-", ("", "detached"), "0x6"
_NVME_NAMESPACE = re.compile(r"nvme\d+(?:c\d+)?n\d+")
_REMOTE_NVME = frozenset({"tcp", "rdma", "fc", "loop"})


@dataclass(frozen=True)
class DiskIdentity:
    """What sysfs says about one disk. `bus` as in wire.Disk. `removable`: it is on USB, or reports so itself."""

    name: str
    serial: str
    wwn: str
    bus: str
    size_bytes: int
    model: str
    firmware: str
    rotational: bool
    removable: bool
    sector_bytes: int


def names(root: Path = Path("/")) -> list[str]:
    """Kernel names of all disks of this host that have a medium, e.g. ['nvme0n1', 'sda']."""
    found = []
    for block in sorted((root / "sys/block").glob("*")):
        is_disk = not _NOT_A_DISK.match(block.name) and sysfs.text(block / "hidden") != "1"
        if is_disk and _number(block / "size") > 0 and not is_remote(block):
            found.append(block.name)
    return found


def without_capacity(root: Path = Path("/")) -> list[tuple[str, str]]:
    """Drives of this host that show nothing to read, by name and in words: a SATA or SAS drive without capacity (it
    does not get ready, or has sectors of 520 bytes), an NVMe controller without a namespace. An empty card reader is
    removable, and no drive."""
    found = []
    for block in sorted((root / "sys/block").glob("*")):
        hidden = bool(_NOT_A_DISK.match(block.name)) or sysfs.text(block / "hidden") == "1" or is_remote(block)
        if not hidden and sysfs.integer(block / "size") == 0 and not (one := identify(block)).removable:
            found.append((block.name, f"{one.model or 'a drive'} {one.serial}".strip() + " has no capacity"))
    for controller in sorted((root / "sys/class/nvme").glob("nvme*")):
        is_local = sysfs.text(controller / "transport") not in _REMOTE_NVME
        if is_local and not any(map(_NVME_NAMESPACE.fullmatch, _inside(controller))):
            model, serial = (clean(sysfs.text(controller / word)) for word in ("model", "serial"))
            found.append((controller.name, f"{model or 'a drive'} {serial}".strip() + " has no namespace"))
    return found


def _inside(directory: Path) -> list[str]:
    return [path.name for path in directory.glob("*")]


def is_remote(block: Path) -> bool:
    """Whether the disk is no part of this host. It belongs to others, too, and is neither tested nor written."""
    device = block.resolve() / "device"
    transports = {sysfs.text(path) for path in (device / "transport", *device.glob("nvme*/transport"))} - {""}
    hosts = (parent for parent in block.resolve().parents if re.fullmatch(r"host\d+", parent.name))
    drivers = {sysfs.text(host / "scsi_host" / host.name / "proc_name") for host in hosts}
    is_remote_scsi = _REMOTE_SCSI.search(f"{block.resolve()}/") is not None or bool(drivers & _REMOTE_DRIVERS)
    return is_remote_scsi or _is_of_array(block, device) or bool(transports and transports <= _REMOTE_NVME)


def _is_of_array(block: Path, device: Path) -> bool:
    has_handler = sysfs.text(device / "dh_state") not in _NO_HANDLER
    return has_handler and _ON_SAS in str(block.resolve()) and wwn(sysfs.text(device / "wwid")).startswith(_OF_VOLUMES)


def identify(block: Path) -> DiskIdentity:
    """`block` is /sys/block/<name> or /sys/dev/block/<major>:<minor> of a whole disk."""
    real = block.resolve()
    device = real / "device"
    return DiskIdentity(
        name=real.name,
        serial=identifier(_serial(real, device)),
        wwn=wwn(sysfs.text(real / "wwid") or sysfs.text(device / "wwid")),
        bus=bus_of(str(real)),
        size_bytes=_number(real / "size") * SECTOR_BYTES,
        model=clean(sysfs.text(device / "model")),
        firmware=clean(sysfs.text(device / "firmware_rev") or sysfs.text(device / "rev")),
        rotational=sysfs.text(real / "queue/rotational") == "1",
        removable=sysfs.text(real / "removable") == "1" or "/usb" in str(real),
        sector_bytes=_number(real / "queue/logical_block_size") or SECTOR_BYTES,
    )


def is_another(disk: wire.Disk, block: Path) -> bool:
    """Whether the drive that the kernel has at `block` is not the one that the inventory has under this name. A drive
    that drops out and returns may get another's name. An equal WWN or serial number is the same drive; if neither is
    known on both sides, so is this one."""
    now = identify(block)
    pairs = [(_digits(disk.wwn), _digits(now.wwn)), (disk.serial, now.serial)]
    known = [(before, after) for before, after in pairs if before and after]
    return bool(known) and all(before != after for before, after in known)


def zones(name: str, root: Path = Path("/")) -> str:
    """How a drive with overlapping tracks (SMR) or zones takes writes: host-managed, host-aware or drive-managed.
    Empty for any other drive. A hard disk that accepts trim commands is drive-managed SMR, even if its maker does
    not say so."""
    queue = root / "sys/block" / name / "queue"
    zoned = sysfs.text(queue / "zoned")
    if zoned in ("host-managed", "host-aware"):
        return zoned
    trims = _number(queue / "discard_max_bytes") > 0 and sysfs.text(queue / "rotational") == "1"
    return "drive-managed" if trims and bus_of(str((root / "sys/block" / name).resolve())) in ("sata", "sas") else ""


def bus_of(path: str) -> str:
    """The bus, from the device's path in sysfs. USB is looked for first, since a USB bridge shows the SATA or NVMe
    drive behind it."""
    marks = (("/usb", "usb"), ("/nvme", "nvme"), ("/ata", "sata"), ("/end_device-", "sas"), ("/sas_", "sas"))
    for mark, bus in marks:
        if mark in path:
            return bus
    if re.search(r"/virtio\d+/block/", path):
        return "virtio"
    return "scsi" if "/host" in path else "other"


def wwn(text: str) -> str:
    """A world-wide name as lsblk writes it (0x5000…, eui.…). Empty for the kernel's substitutes made of text."""
    value = clean(text).lower()
    if value.startswith("naa."):
        return f"0x{value[4:]}"
    return value if value.startswith(("eui.", "uuid.", "nvme.", "0x")) else ""


def same_wwn(one: str, other: str) -> bool:
    """Whether both texts are the same WWN: every digit must agree, prefix and case may differ. An empty text equals
    nothing."""
    left, right = _digits(one), _digits(other)
    return bool(left) and left == right


def merged(sysfs: list[DiskIdentity], rows: list[BlockDevice]) -> list[wire.Disk]:
    """The inventory's disks. A field that sysfs leaves empty is taken from lsblk, which asks udev."""
    by_name = {row.name: row for row in rows}
    return [_merge(disk, by_name.get(disk.name) or BlockDevice(disk.name, "disk", 0)) for disk in sysfs]


def _merge(disk: DiskIdentity, row: BlockDevice) -> wire.Disk:
    return wire.Disk(
        name=disk.name,
        serial=disk.serial or identifier(row.serial),
        wwn=disk.wwn or wwn(row.wwn),
        bus="usb" if row.transport == "usb" else disk.bus,
        size_mb=disk.size_bytes // MIB,
        model=disk.model or row.model,
        firmware=disk.firmware or row.revision,
        rotational=disk.rotational,
    )


def _serial(block: Path, device: Path) -> str:
    """NVMe and virtio have an attribute for it, SCSI and ATA have it in the vital product data."""
    return sysfs.text(device / "serial") or sysfs.text(block / "serial") or sysfs.scsi_serial(device)


def _digits(text: str) -> str:
    return re.sub(r"^(0x|naa\.|eui\.|uuid\.|nvme\.|wwn-0x)", "", clean(text).lower())


def _number(path: Path) -> int:
    return sysfs.integer(path) or 0
