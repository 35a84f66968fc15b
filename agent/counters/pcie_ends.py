"""Both ends of the PCIe link that an error counter belongs to. Each end counts what it received."""

from __future__ import annotations

import re
from pathlib import Path

from agent.contract import wire
from agent.probes.bus import pcilink

_COUNTER = re.compile(r"aer\.\w+\.([0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])")
_SLOT = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")


def words(delta: wire.CounterDelta, root: Path = Path("/")) -> str:
    """`link 0000:5d:00.0 - 0000:5e:00.0`, the upper end first; empty for other counters, and for a device whose link
    has no other end here."""
    match = _COUNTER.fullmatch(delta.counter)
    found = match and ends(match[1], root)
    return f"link {found[0]} - {found[1]}" if found else ""


def ends(slot: str, root: Path = Path("/")) -> tuple[str, str] | None:
    """Upper and lower end of a device's link. A port that leads down has the first function below it at its other
    end."""
    device = pcilink.device(slot, root)
    if pcilink.is_lower_end(device):
        return (device.parent.name, slot) if _SLOT.fullmatch(device.parent.name) else None
    below = sorted(one.name for one in device.glob("*") if _SLOT.fullmatch(one.name)) if device.is_dir() else []
    return (slot, below[0]) if below else None
