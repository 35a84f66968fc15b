"""The section `settings` of an expected spec: what the setup of the board and of cards sets, as a run read it. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError

from hosts.fields import normalise_mac
from hosts.versions import clean, folded

Document = Mapping[str, Any]
Spec = dict[str, Any]

_SWITCHES = ("virtualization", "iommu", "secure_boot", "smt")
_COUNTS = ("iommu_groups", "numa_nodes")
_WORDS: Mapping[str, Sequence[str]] = {"boot_mode": ("uefi", "bios"), "tpm": ("2.0", "1.2", "none")}
_MOST_COUNT = 10**9
# What agents call a boot entry that is in the order and does not exist: no spec should expect it.
_NO_ENTRY = re.compile(r"Boot[0-9A-F]{4} \(missing\)")
NO_STATES = "none"
# Settings that follow from another one: BIOS has no Secure Boot and no boot entries, and without IOMMU there are no
# groups.
FOLLOWS = {"secure_boot": "boot_mode", "boot_order": "boot_mode", "iommu_groups": "iommu"}
# The most entries of one of its lists.
MOST = 256


def as_found(inventory: Document) -> Spec:
    """The settings of an inventory document, in the form of a spec. Left out are those that were not read, and values
    that a spec can't state."""
    told: Document = inventory.get("settings") or {}
    found: Spec = {name: told.get(name) for name in _SWITCHES}
    found |= {name: told.get(name) if told.get(name) in words else None for name, words in _WORDS.items()}
    found |= {name: _count(told.get(name)) for name in _COUNTS}
    found["c_states"] = None if told.get("c_states") is None else clean(in_one_text(told["c_states"]))
    found["sriov"] = _stated(virtual_functions(inventory))
    found["power_limits"] = _stated(power_limits(told))
    entries = dict.fromkeys(map(clean, told.get("boot_order") or []))
    found["boot_order"] = [name for name in entries if name and not _NO_ENTRY.fullmatch(name)][:MOST]
    found["memory_mts"] = _count(memory_mts(inventory))
    return {name: value for name, value in found.items() if value not in (None, "", {}, [])}


def in_one_text(states: list[str]) -> str:
    """Idle states as a spec states them: `C1 C1E C6`; `none` for none."""
    return " ".join(states) or NO_STATES


def virtual_functions(inventory: Document) -> dict[str, int]:
    """How many virtual functions each network port offers, by MAC. Other devices have no name that stays, since bus
    numbers change when cards are added."""
    offered = offers(inventory)
    ports = {_mac(nic.get("mac")): nic.get("pci") for nic in inventory.get("nics") or [] if nic.get("pci")}
    return {mac: offered[pci] for mac, pci in ports.items() if mac and pci in offered}


def offers(inventory: Document) -> dict[str, int]:
    """The same of every device, by PCI slot."""
    listed = (inventory.get("settings") or {}).get("sriov") or []
    return {one["slot"]: one["most"] for one in listed}


def power_limits(told: Document) -> dict[str, int]:
    """Whole watts by zone and name, such as `package-0 long_term`."""
    told_limits = [one for one in told.get("power_limits") or [] if math.isfinite(one["watts"])]
    return {f"{one['zone']} {one['name']}": round(one["watts"]) for one in told_limits}


def memory_mts(inventory: Document) -> int | None:
    """The speed of the slowest module. None if that of any module was not read."""
    dimms = (inventory.get("memory") or {}).get("dimms") or []
    speeds = [dimm.get("speed_mts") for dimm in dimms if dimm.get("size_mb") != 0]
    return min(speeds) if speeds and all(speeds) else None


def _stated(figures: dict[str, int]) -> dict[str, int]:
    """Those that a spec can state: names that differ in more than capitals and blanks, counts above 0."""
    named = {folded(name): (clean(name), count) for name, count in figures.items() if _count(count)}
    return {name: count for name, count in list(named.values())[:MOST] if name}


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and 0 < value <= _MOST_COUNT else None


def adopt(spec: Spec, leaf: str, key: str, found: Spec) -> None:
    """State this setting as it was found, in place, and those that follow from it. One that was not found is
    removed."""
    settings, there = spec.setdefault("settings", {}), found.get("settings") or {}
    if key:
        _take(settings.setdefault(leaf, {}), key, there.get(leaf) or {})
    else:
        for name in [leaf, *(one for one, cause in FOLLOWS.items() if cause == leaf and one in settings)]:
            _take(settings, name, there)
    if settings.get(leaf) == {}:
        del settings[leaf]
    if not settings:
        del spec["settings"]


def _take(holder: Spec, name: str, there: Spec) -> None:
    holder.pop(name, None)
    if name in there:
        holder[name] = there[name]


def _mac(text: Any) -> str:
    try:
        return normalise_mac(str(text or ""))
    except ValidationError:
        return ""
