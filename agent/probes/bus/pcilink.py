"""PCIe links, from sysfs. A card that is not fully seated has fewer lanes than both ends of its link support."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from agent.host import sysfs

# PCI Express base specification 4.0, 7.5.3: capability 0x10; its flags' bits 4 to 7 are the kind of device or port, at
# 0x30 stands Link Control 2 with the target speed in bits 0 to 3 (from version 2 of the capability on).
_PCIE, _LINK_CONTROL_2 = 0x10, 0x30
# Speeds by the number of the target speed, which is also the generation of PCIe.
SPEEDS_GTS = {1: 2.5, 2: 5.0, 3: 8.0, 4: 16.0, 5: 32.0, 6: 64.0}
# Kinds of devices at the lower end of a link: endpoint, legacy endpoint, upstream port of a switch, bridge to PCI.
_UPSTREAM = 5
_LOWER_ENDS = (0, 1, _UPSTREAM, 7)
# And at the upper end: root port, downstream port of a switch.
_UPPER_ENDS = (4, 6)


@dataclass(frozen=True)
class Link:
    """Lanes and transfer rate (GT/s) now, and the most that both ends support. `limit_gts` is the limit that the
    firmware or the kernel set at the upper end; None if it gives none."""

    width: int
    max_width: int
    speed_gts: float
    max_speed_gts: float
    limit_gts: float | None = None


def read(slot: str, root: Path = Path("/")) -> Link | None:
    """None for a device that is not PCIe, or whose link the kernel does not know."""
    end = device(slot, root)
    now, most = _pair(end, "current"), _pair(end, "max")
    if now is None or most is None:
        return None
    above = _pair(end.parent, "max")
    width, speed = (min(most[0], above[0]), min(most[1], above[1])) if above else most
    return Link(now[0], width, now[1], speed, _target_gts(end.parent) if above else None)


def device(slot: str, root: Path = Path("/")) -> Path:
    """Its folder in sysfs, inside those of the bridges above it."""
    return (root / "sys/bus/pci/devices" / slot).resolve()


def is_upstream(device: Path) -> bool:
    """Whether this is the upper port of a switch."""
    return _kind(device) == _UPSTREAM


def is_lower_end(device: Path) -> bool:
    """Whether a link leads up from it. Not so for root ports, downstream ports of a switch, and devices inside the
    CPU."""
    return _kind(device) in _LOWER_ENDS


def is_upper_end(device: Path) -> bool:
    """Whether a link leads down from it."""
    return _kind(device) in _UPPER_ENDS


def lower_ends(root: Path = Path("/")) -> list[str]:
    """The slots of all devices at the lower end of a link."""
    devices = sorted((root / "sys/bus/pci/devices").glob("*"))
    return [device.name for device in devices if is_lower_end(device)]


def silent(root: Path = Path("/")) -> list[str]:
    """The slots of devices that no longer answer: each bit of their configuration reads as 1. A virtual function is
    left out, since parts of its configuration always read so."""
    devices = sorted((root / "sys/bus/pci/devices").glob("*"))
    return [one.name for one in devices if not (one / "physfn").exists() and _config(one)[:64] == b"\xff" * 64]


def _pair(device: Path, which: str) -> tuple[int, float] | None:
    """Width and speed. Integrated devices report 0 or 255 lanes, a link that is down reports an unknown speed."""
    try:
        width = int(sysfs.text(device / f"{which}_link_width"))
        speed = float(sysfs.text(device / f"{which}_link_speed").split()[0])
    except (ValueError, IndexError):
        return None
    return (width, speed) if 0 < width <= 32 else None


def _kind(device: Path) -> int | None:
    found = _capability(device)
    if found is None:
        return None
    config, at = found
    flags: int = struct.unpack_from("<H", config, at + 2)[0]
    return flags >> 4 & 15


def _target_gts(device: Path) -> float | None:
    found = _capability(device)
    if found is None:
        return None
    config, at = found
    flags = struct.unpack_from("<H", config, at + 2)[0]
    if flags & 15 < 2 or at + _LINK_CONTROL_2 + 2 > len(config):
        return None
    return SPEEDS_GTS.get(struct.unpack_from("<H", config, at + _LINK_CONTROL_2)[0] & 15)


def _capability(device: Path) -> tuple[bytes, int] | None:
    """The configuration space, and where its PCI Express capability begins. Only root can read beyond 64 bytes."""
    config = _config(device)
    at = config[0x34] & ~3 if len(config) > 0x34 else 0
    for _ in range(48):
        if not 0x40 <= at <= len(config) - 4:
            return None
        if config[at] == _PCIE:
            return config, at
        at = config[at + 1] & ~3
    return None


def _config(device: Path) -> bytes:
    try:
        return (device / "config").read_bytes()[:256]
    except OSError:
        return b""
