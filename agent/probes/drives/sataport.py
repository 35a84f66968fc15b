"""The speed that a SATA drive's port supports, from sysfs. smartctl gives the drive's side."""

from __future__ import annotations

import re
from pathlib import Path

from agent.host import sysfs

# AHCI 1.3.1, 3.1.1: bits 20 to 23 of CAP, the interface speed.
_AHCI_GBIT = {1: 1.5, 2: 3.0, 3: 6.0}
_RATE = re.compile(r"([\d.]+) *G(?:bit|bps)")


def most_gbit(name: str, root: Path = Path("/")) -> float | None:
    """For an AHCI port the controller's speed, or less if the firmware limits the port. For a SAS adapter its phy's
    speed. None if the kernel does not say."""
    block = (root / "sys/block" / name).resolve()
    limits = [*_ahci(block, root), *_phy(block)]
    return min(limits) if limits else None


def _ahci(block: Path, root: Path) -> list[float]:
    host = next((part for part in block.parts if re.fullmatch(r"host\d+", part)), "")
    port = next((part for part in block.parts if re.fullmatch(r"ata\d+", part)), "")
    if not port:
        return []
    try:
        bits = int(sysfs.text(root / "sys/class/scsi_host" / host / "ahci_host_caps"), 16) >> 20 & 15
    except ValueError:
        return []
    link = root / "sys/class/ata_link" / f"link{port[3:]}" / "hw_sata_spd_limit"
    return [*([_AHCI_GBIT[bits]] if bits in _AHCI_GBIT else []), *_rates(link)]


def _phy(block: Path) -> list[float]:
    """A wide port has several phys; the slowest one's limit counts."""
    ports = [parent for parent in block.parents if re.fullmatch(r"port-[\d:]+", parent.name)]
    phys = ports[0].glob("phy-*/sas_phy/phy-*/maximum_linkrate_hw") if ports else ()
    return [rate for phy in phys for rate in _rates(phy)]


def _rates(path: Path) -> list[float]:
    return [float(match[1]) for match in [_RATE.search(sysfs.text(path))] if match]
