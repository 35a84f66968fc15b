"""Width and speed of a PCIe link, from sysfs: a card that is half seated trains narrower than it can."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Link:
    """Lanes and transfer rate (GT/s) now, and the most that the device can."""

    width: int
    max_width: int
    speed_gts: float
    max_speed_gts: float


def read(slot: str, root: Path = Path("/")) -> Link | None:
    """None for a device that is not PCIe or whose link the kernel does not know."""
    device = root / "sys/bus/pci/devices" / slot
    try:
        width, most = (int((device / name).read_text()) for name in ("current_link_width", "max_link_width"))
        speed, fastest = (
            float((device / name).read_text().split()[0]) for name in ("current_link_speed", "max_link_speed")
        )
    except (OSError, ValueError, IndexError):
        return None
    # Integrated devices report 0 or 255 lanes.
    return Link(width, most, speed, fastest) if 0 < width <= 32 and 0 < most <= 32 else None
