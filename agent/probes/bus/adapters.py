"""Cards that are no network ports, disks or GPUs, so that a missing one is noticed: storage adapters, InfiniBand cards,
accelerators, network cards that no driver took, and storage controllers whose drives are hidden. By their PCI class
(PCI Code and ID Assignment Specification 1.11, section 1)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from agent.contract import wire
from agent.contract.placeholders import is_placeholder
from agent.probes.bus import hidden_drives
from agent.probes.bus.lspci import PciDevice
from agent.probes.gpu import gpus

# SCSI, RAID, SATA, SAS, Fibre Channel; InfiniBand, Omni-Path (fabric); processing accelerator, co-processor. NVMe
# (0108) is listed among the disks.
_KINDS = {
    "0100": "storage", "0104": "storage", "0106": "storage", "0107": "storage", "0c04": "storage",
    "0207": "infiniband", "0208": "infiniband", "0c06": "infiniband",
    "1200": "accelerator", "0b40": "accelerator",
}  # fmt: skip
# Controllers in chipsets and processors are part of the board: RAID and AHCI are two settings of one port, and QAT and
# NPUs belong to their processor. Intel, AMD (two numbers), NVIDIA's nForce, VIA, SiS, Zhaoxin, Hygon.
_CHIPSETS = ("8086", "1022", "1002", "10de", "1106", "1039", "1d17", "1d94")
_OF_CHIPSETS = ("0104", "0106", "0107", "0b40")
_INTEL = "8086"
# Intel's integrated graphics have this address in every machine. Its cards (Arc, Flex, Max) never do.
_INTEL_INTEGRATED = ":00:02."
_DISPLAY = "03"
# The kind of a network card without a driver: the kernel has no port for it. Wi-Fi cards have another class (0280).
NETWORK = "network"
_ETHERNET = "0200"
_WITH_PORTS = ("infiniband", NETWORK)
# The extended capability "Device Serial Number" (PCI Express Base Specification 5.0, 7.9.3), and how long the list
# may be.
_SERIAL_CAPABILITY, _FIRST, _MOST = 0x0003, 0x100, 64


def inventory(devices: list[PciDevice], told: Collection[str], root: Path = Path("/")) -> list[wire.Adapter]:
    """One adapter per card. `told` are the slots of cards whose ports are known: those are missed by port. A serial
    number that several cards share is dropped."""
    found: dict[tuple[str, str, str], wire.Adapter] = {}
    for device in devices:
        kind = wire.HIDDEN_DRIVES if hidden_drives.has(device, root) else _kind(device)
        if kind and not _is_virtual(device.slot, root) and not (kind in _WITH_PORTS and device.slot in told):
            adapter = wire.Adapter(
                device.slot, kind, f"{device.vendor} {device.device}".strip(), serial(device.slot, root)
            )
            found.setdefault((device.slot.rpartition(".")[0], kind, adapter.model), adapter)
    numbers = Counter(adapter.serial for adapter in found.values())
    return [one if numbers[one.serial] == 1 else replace(one, serial="") for one in found.values()]


def serial(slot: str, root: Path = Path("/")) -> str:
    """`00-0a-f7-ff-fe-12-34-56`, as lspci writes it. Empty if the card has none, or if all cards of its maker have the
    same."""
    try:
        config = (root / "sys/bus/pci/devices" / slot / "config").read_bytes()
    except OSError:
        return ""
    at, seen = _FIRST, 0
    while _FIRST <= at <= len(config) - 12 and seen < _MOST:
        head = int.from_bytes(config[at : at + 4], "little")
        if head & 0xFFFF == _SERIAL_CAPABILITY:
            number = config[at + 4 : at + 12][::-1]
            return "" if is_placeholder(number.hex()) or number[2:] == bytes(6) else number.hex("-")
        at, seen = head >> 20, seen + 1
    return ""


def _kind(device: PciDevice) -> str:
    if gpus.is_gpu(device) or (device.class_id in _OF_CHIPSETS and device.vendor_id in _CHIPSETS):
        return ""
    if device.class_id == _ETHERNET:
        return "" if device.driver else NETWORK
    if device.class_id.startswith(_DISPLAY):
        is_card = device.vendor_id == _INTEL and _INTEL_INTEGRATED not in device.slot
        return "accelerator" if is_card or device.class_id == "0302" else ""
    return _KINDS.get(device.class_id, "")


def _is_virtual(slot: str, root: Path) -> bool:
    """Whether this is a virtual function, which a setting adds or removes."""
    return (root / "sys/bus/pci/devices" / slot / "physfn").exists()
