"""Graphics and accelerator cards on the bus: which links are theirs. A driver lowers the speed of its own card's link
while the card is idle, and never that of a switch of the server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from agent.host import sysfs
from agent.probes.bus import pcilink

# Classes of PCI devices: display controllers, processing accelerators.
_CLASSES = ("0x03", "0x12")
# Ports of AMD's own cards that have the vendor of its CPUs (pci.ids: Vega 10 PCIe Bridge). Those of newer cards have
# the vendor of the card (Navi 10 XL Upstream Port), and so have Intel's.
_AMD_CARDS, _AMD_PORTS = "0x1002", (("0x1022", "0x1470"), ("0x1022", "0x1471"))

# Drivers that may use fewer lanes while a card is idle: nvidia-smi(1), "Link width: … may be reduced when the GPU is
# not in use"; amdgpu's and radeon's power states have widths of their own (pp_dpm_pcie: `0: 2.5GT/s, x1`).
_SAVE_LANES = ("nvidia", "amdgpu", "radeon")


def of_link(slot: str, root: Path = Path("/")) -> str:
    """The slot of the card whose link has this lower end. Empty if it is no such card's. It includes the card's sound
    and USB functions, the port of a switch on the card, and a bridge to PCI right in front of it."""
    device = pcilink.device(slot, root)
    functions = device.parent.glob(f"{slot.rpartition('.')[0]}.*")
    return next((one.name for one in (*functions, *_behind(device)) if _is_display(one)), "")


def _behind(device: Path) -> Iterator[Path]:
    """The devices one or two steps further from the CPU. Behind a switch, only those on the same card."""
    is_switch = pcilink.is_upstream(device)
    for depth in (1, 2):
        found = device.glob("/".join(["*:*:*.*"] * depth))
        yield from (one for one in found if not is_switch or _is_on_card(device, one))


def _is_display(device: Path) -> bool:
    return sysfs.text(device / "class").startswith(_CLASSES)


def _is_on_card(port: Path, card: Path) -> bool:
    """Whether a switch's port is part of the card, by their makers: a server's switch is of another maker than the
    cards in it (PLX, Broadcom, Microchip; AMD's chipsets have another vendor number than its cards)."""
    vendor = sysfs.text(card / "vendor")
    own = (sysfs.text(port / "vendor"), sysfs.text(port / "device"))
    return bool(vendor) and (own[0] == vendor or (vendor == _AMD_CARDS and own in _AMD_PORTS))


def in_slot(slot: str, root: Path = Path("/")) -> str:
    """The lower end of the link between a card and what it is plugged into: the card itself, or the upper port of a
    switch on it."""
    end = card = pcilink.device(slot, root)
    while pcilink.is_upstream(above := end.parent.parent) and _is_on_card(above, card):
        end = above
    return end.name


def may_lack_lanes(slot: str, root: Path = Path("/")) -> bool:
    """Whether the driver of this card may use fewer lanes while the card is idle."""
    driver = pcilink.device(slot, root) / "driver"
    return driver.exists() and driver.resolve().name in _SAVE_LANES
