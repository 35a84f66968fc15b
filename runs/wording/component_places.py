"""Describe the component of a finding by the run's inventory, so that the right part is replaced. Pure: an inventory
document in, words out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agent.contract.component_kinds import ComponentKind
from hosts.parts import BY_WORD

Part = dict[str, Any]


def describe(inventory: dict[str, Any] | None, kind: str, component: str) -> str:
    """`nvme0n1, Samsung PM9A3, 1.9 TB` for a disk's serial. Empty if the run found no such part."""
    found = _find(inventory, kind, component) if kind in _WORDS else {}
    return ", ".join(word for word in _WORDS[kind](found) if word) if found else ""


def serial(inventory: dict[str, Any] | None, kind: str, component: str) -> str:
    """The serial number of a part, by which its maker knows it; of the host for what is no part in a list. A network
    card's MAC and a GPU's UUID are numbers of that kind. Empty if the run found none."""
    if kind not in BY_WORD or not BY_WORD[kind].keys:
        return str(((inventory or {}).get("system") or {}).get("serial") or "") if kind == ComponentKind.SYSTEM else ""
    found = _find(inventory, kind, component)
    return next((str(found[key]) for key in ("serial", "mac", "uuid", "guid") if found.get(key)), "")


def _find(inventory: dict[str, Any] | None, kind: str, component: str) -> Part:
    """The one part of this name; empty if there is none, or more than one."""
    listed, key = BY_WORD[kind].within(inventory or {}) or [], BY_WORD[kind].keys[0]
    found: list[Part] = [part for part in listed if str(part.get(key, "")).lower() == component.lower()]
    return found[0] if len(found) == 1 else {}


def size(size_mb: int) -> str:
    """A size in MiB, written as on a disk's label."""
    size_gb = size_mb * 1_048_576 / 1e9
    if size_gb < 1:
        return f"{size_gb * 1000:.0f} MB" if size_mb else ""
    return f"{size_gb / 1000:.1f} TB" if size_gb >= 1000 else f"{size_gb:.0f} GB"


def _disk(part: Part) -> list[str]:
    return [part.get("name", ""), part.get("model", ""), size(part.get("size_mb", 0)), part.get("bus", "")]


def _dimm(part: Part) -> list[str]:
    size_mb = part.get("size_mb", 0)
    maker = f"{part.get('manufacturer', '')} {part.get('part', '')}".strip()
    serial = part.get("serial", "")
    return [f"{size_mb / 1024:g} GiB" if size_mb else "", maker, f"serial {serial}" if serial else ""]


def _nic(part: Part) -> list[str]:
    pci = part.get("pci", "")
    return [part.get("name", ""), part.get("model") or part.get("driver", ""), f"PCI {pci}" if pci else ""]


def _gpu(part: Part) -> list[str]:
    pci = part.get("pci", "")
    return [part.get("model", ""), f"PCI {pci}" if pci else ""]


# The words of one part of a kind.
_WORDS: dict[str, Callable[[Part], list[str]]] = {"disk": _disk, "dimm": _dimm, "nic": _nic, "gpu": _gpu}
