"""The speed that a SATA drive's port supports, from sysfs. smartctl gives the drive's side."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from agent.host import sysfs

# AHCI 1.3.1, 3.1.1: bits 20 to 23 of CAP, the interface speed of the fastest port.
_AHCI_GBIT = {1: 1.5, 2: 3.0, 3: 6.0}
_RATE = re.compile(r"([\d.]+) *G(?:bit|bps)")
# Intel's controllers with ports of 6 and of 3 Gbit/s, by PCI device (drivers/ata/ahci.c): how many of the first ports
# are fast on every chipset with this number, and on any. The 6 and 7 series have two, but B65, Q65, B75 and Q75 one.
# X79 and C600 have two. Of the 8 series H81, B85, Q85, C222 and C224 have slow ports. 2822, 2826 and 282a stand for
# many chipsets in RAID mode.
_MIXED = (
    (re.compile(r"0x1[ce]0[2-9a-f]"), 1, 2), (re.compile(r"0x1d0[246]"), 2, 2),
    (re.compile(r"0x8c0[2-9a-f]|0x282[26a]"), 0, 32),
)  # fmt: skip
_SLOW_GBIT = 3.0
_INTEL = "0x8086"


class Speeds(NamedTuple):
    """What a port supports, in Gbit/s: `most` if it is as fast as its controller, `surely` in any case."""

    most: float
    surely: float


def of(name: str, root: Path = Path("/")) -> Speeds | None:
    """For an AHCI port the controller's speed, or less if this port is a slow one or the firmware limits it. For a SAS
    adapter its phy's speed. None if the kernel does not say."""
    block = (root / "sys/block" / name).resolve()
    limits = [*_ahci(block, root), *_phy(block)]
    if not limits:
        return None
    fast, whole = _is_fast(block, root), min(limits)
    slow = min(whole, _SLOW_GBIT)
    return Speeds(slow if fast is False else whole, whole if fast else slow)


def _ahci(block: Path, root: Path) -> list[float]:
    host, port = _above(block, r"host\d+"), _above(block, r"ata\d+")
    if port is None or host is None:
        return []
    try:
        bits = int(sysfs.text(root / "sys/class/scsi_host" / host.name / "ahci_host_caps"), 16) >> 20 & 15
    except ValueError:
        return []
    link = root / "sys/class/ata_link" / f"link{port.name[3:]}" / "hw_sata_spd_limit"
    return [*([_AHCI_GBIT[bits]] if bits in _AHCI_GBIT else []), *_rates(link)]


def _is_fast(block: Path, root: Path) -> bool | None:
    """Whether the port has its controller's speed. None if its chipset may have made it a slow one."""
    port = _above(block, r"ata\d+")
    if port is None or sysfs.text(port.parent / "vendor") != _INTEL:
        return True
    device, number = sysfs.text(port.parent / "device"), _number(port, root)
    for which, on_every, on_any in _MIXED:
        if which.fullmatch(device):
            return None if number is None or on_every < number <= on_any else number <= on_every
    return True


def _number(port: Path, root: Path) -> int | None:
    """The port's place in its controller, from 1 (ata_port in drivers/ata/libata-transport.c)."""
    return sysfs.integer(root / "sys/class/ata_port" / port.name / "port_no") or None


def _phy(block: Path) -> list[float]:
    """A wide port has several phys; the slowest one's limit counts."""
    ports = [parent for parent in block.parents if re.fullmatch(r"port-[\d:]+", parent.name)]
    phys = ports[0].glob("phy-*/sas_phy/phy-*/maximum_linkrate_hw") if ports else ()
    return [rate for phy in phys for rate in _rates(phy)]


def _above(block: Path, name: str) -> Path | None:
    return next((parent for parent in reversed(block.parents) if re.fullmatch(name, parent.name)), None)


def _rates(path: Path) -> list[float]:
    return [float(match[1]) for match in [_RATE.search(sysfs.text(path))] if match]
