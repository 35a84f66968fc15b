"""Both ends of the PCIe link that an error belongs to. Each end counts, and reports, what it received."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from agent.contract import wire
from agent.probes.bus import pcilink

_COUNTER = re.compile(r"aer\.\w+\.([0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])")
_SLOT = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
_CODES = ("pcie.corrected", "pcie.uncorrected")


def words(delta: wire.CounterDelta, root: Path = Path("/")) -> str:
    """`link 0000:5d:00.0 - 0000:5e:00.0`, the upper end first; empty for other counters, and for a device whose link
    has no other end here."""
    match = _COUNTER.fullmatch(delta.counter)
    return _words(match[1], root) if match else ""


def named(finding: wire.Finding, root: Path = Path("/")) -> wire.Finding:
    """A PCIe error with both ends of the link of the first device that its message names, unless it has them."""
    slot = _SLOT.search(finding.message) if finding.code in _CODES else None
    link = _words(slot[0], root) if slot else ""
    if not link or link in finding.message:
        return finding
    return replace(finding, message=f"{finding.message}: {link}")


def below(port: str, root: Path = Path("/")) -> str:
    """The device at the other end of the link that leads down from a port, its first function; empty for a device that
    is no such port, and for a port with nothing below it."""
    if not pcilink.is_upper_end(pcilink.device(port, root)):
        return ""
    found = ends(port, root)
    return found[1] if found else ""


def _words(slot: str, root: Path) -> str:
    found = ends(slot, root)
    return f"link {found[0]} - {found[1]}" if found else ""


def ends(slot: str, root: Path = Path("/")) -> tuple[str, str] | None:
    """Upper and lower end of a device's link. A port that leads down has the first function below it at its other
    end."""
    device = pcilink.device(slot, root)
    if pcilink.is_lower_end(device):
        return (device.parent.name, slot) if _SLOT.fullmatch(device.parent.name) else None
    below = sorted(one.name for one in device.glob("*") if _SLOT.fullmatch(one.name)) if device.is_dir() else []
    return (slot, below[0]) if below else None
