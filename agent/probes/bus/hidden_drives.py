"""Storage controllers whose drives the kernel can't see: no driver took the controller, or RAID mode in the firmware
keeps NVMe drives behind an AHCI controller. By their PCI class (PCI Code and ID Assignment Specification 1.11, 1.2)."""

from __future__ import annotations

from pathlib import Path

from agent.probes.bus.lspci import PciDevice

# SCSI, IDE, RAID, ATA, SATA, SAS, NVMe, and controllers of no kind. Left out are floppies (0102), chips for flash on
# the board (0109, and SD in 0805), and Fibre Channel (0c04), whose disks are no parts of the host.
CLASSES = ("0100", "0101", "0104", "0105", "0106", "0107", "0108", "0180")
_OTHER = "0180"
# Texas Instruments makes readers for memory cards of this class, and no controller for disks.
_CARD_READERS = "104c"
# A PCIe switch of LSI has a function with the class of a SAS controller, for its management.
_LSI, _SWITCH = "1000", "PCIe Switch"


def has(device: PciDevice, root: Path = Path("/")) -> bool:
    """Whether drives behind this controller, if there are any, are hidden from the kernel."""
    if device.class_id not in CLASSES or _has_no_drives(device):
        return False
    return not device.driver or _remapped(device.slot, root)


def _has_no_drives(device: PciDevice) -> bool:
    is_reader = device.class_id == _OTHER and device.vendor_id == _CARD_READERS
    return is_reader or (device.vendor_id == _LSI and _SWITCH in device.device)


def _remapped(slot: str, root: Path) -> bool:
    """Whether the driver ahci counts NVMe drives that Intel's RAID mode has taken off the bus."""
    try:
        count = (root / "sys/bus/pci/devices" / slot / "remapped_nvme").read_text().strip()
    except OSError:
        return False
    return count.isdecimal() and int(count) > 0
