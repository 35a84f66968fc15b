"""Compare what the setup of the board and of cards sets. Critical is what guests or the passthrough of devices need and
the spec states; everything else is a warning. A setting that was not read is no difference: `not_compared` names it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agent.contract import codec, wire
from agent.contract.component_kinds import ComponentKind
from hosts import setup_settings
from hosts.expectations import LIKE_A_MAC
from runs.judging.specdiff.difference import Difference, Part, Spec

# Settings that are on or off, and whether guests or passthrough need them.
_SWITCHES = {
    "virtualization": ("virtualization (VT-x, SVM)", True),
    "iommu": ("IOMMU (VT-d, AMD-Vi)", True),
    "secure_boot": ("Secure Boot", False),
    "smt": ("SMT (two threads per core)", False),
}
_VALUES = {
    "iommu_groups": ("IOMMU groups", ""),
    "boot_mode": ("boot mode", ""),
    "numa_nodes": ("NUMA nodes", ""),
    "c_states": ("idle states of the processors", ""),
    "tpm": ("TPM", ""),
    "memory_mts": ("speed of the memory", " MT/s"),
}


def compare(expected: Spec, inventory: wire.Inventory, pinned: frozenset[str]) -> Iterator[Difference]:
    wanted, found, part = _stated(expected), _found(inventory), Part("settings", "system", "system", pinned)
    locked = inventory.settings.virtualization_locked
    for leaf, due in wanted.items():
        actual = found.get(leaf)
        if actual is None or _is_explained(leaf, wanted, found):
            continue
        if leaf in _SWITCHES:
            yield from _switch(part, leaf, due, actual, locked=bool(locked))
        elif leaf == "boot_order":
            yield from _boot_order(part, due, actual)
        elif leaf == "sriov":
            yield from _sriov(due, actual, inventory)
        elif leaf == "power_limits":
            yield from _power_limits(part, due, actual)
        else:
            yield from _value(part, leaf, due, actual, _rated(leaf, inventory))


def not_compared(expected: Spec, inventory: wire.Inventory) -> Iterator[str]:
    """What the spec states and was not read, one sentence each."""
    wanted, found = _stated(expected), _found(inventory)
    for leaf, due in wanted.items():
        if found.get(leaf) is None and not _is_explained(leaf, wanted, found):
            yield f"settings.{leaf} could not be compared: {_why(leaf, found)}"
        elif leaf == "power_limits":
            missing = [name for name in due if name not in found[leaf]]
            yield from (f"settings.{leaf}[{name}] could not be compared: it was not read" for name in missing)


def _why(leaf: str, found: Spec) -> str:
    if leaf == "iommu_groups" and found.get("iommu"):
        return "the live image does not use the IOMMU, which is there"
    return "it was not read"


def _stated(expected: Spec) -> Spec:
    """The settings of the spec. The speed of the memory is left out if modules have one of their own there."""
    wanted = dict(expected.get("settings") or {})
    if any(dimm.get("speed_mts") for dimm in (expected.get("memory") or {}).get("dimms") or []):
        wanted.pop("memory_mts", None)
    return wanted


def _found(inventory: wire.Inventory) -> Spec:
    """The settings as a spec states them, None for each that was not read. Nothing and 0 are values here."""
    read = inventory.settings
    document = {"nics": codec.encode(inventory.nics), "settings": codec.encode(read)}
    return {
        **{leaf: getattr(read, leaf) for leaf in _SWITCHES},
        **{leaf: getattr(read, leaf) for leaf in ("iommu_groups", "boot_mode", "numa_nodes", "tpm", "boot_order")},
        "c_states": None if read.c_states is None else setup_settings.in_one_text(read.c_states),
        "sriov": None if read.sriov is None else _named_functions(document),
        "power_limits": None if read.power_limits is None else setup_settings.power_limits(document["settings"]),
        "memory_mts": setup_settings.memory_mts({"memory": codec.encode(inventory.memory)}),
    }


def _named_functions(document: dict[str, Any]) -> dict[str, int]:
    return setup_settings.offers(document) | setup_settings.virtual_functions(document)


def _is_explained(leaf: str, wanted: Spec, found: Spec) -> bool:
    """Whether another setting differs of which this one is only a consequence."""
    cause = setup_settings.FOLLOWS.get(leaf, "")
    return cause in wanted and found.get(cause) is not None and found[cause] != wanted[cause]


def _switch(part: Part, leaf: str, due: bool, actual: bool, *, locked: bool) -> Iterator[Difference]:
    if due == actual:
        return
    words, is_needed = _SWITCHES[leaf]
    why = ": the firmware has switched it off" if leaf == "virtualization" and locked else ""
    message = f"system: {words} is {_on(actual)}, expected {_on(due)}{why}"
    make = part.no_passthrough if is_needed and due else part.setting
    yield make(leaf, _on(due), _on(actual), message)


def _on(value: bool) -> str:
    return "on" if value else "off"


def _value(part: Part, leaf: str, due: float | str, actual: float | str, note: str) -> Iterator[Difference]:
    words, unit = _VALUES[leaf]
    if _folded(due) != _folded(actual):
        yield part.setting(leaf, due, actual, f"system: {words} {actual}{unit}, expected {due}{unit}{note}")


def _folded(value: float | str) -> float | str:
    return " ".join(value.split()).casefold() if isinstance(value, str) else value


def _rated(leaf: str, inventory: wire.Inventory) -> str:
    """That the modules could be faster, which is a setting and no fault of theirs."""
    rated = [dimm.rated_mts for dimm in inventory.memory.dimms if dimm.size_mb != 0]
    told = [mts for mts in rated if mts]
    return f"; the modules are rated for {min(told)} MT/s" if leaf == "memory_mts" and len(told) == len(rated) else ""


def _boot_order(part: Part, due: list[str], actual: list[str]) -> Iterator[Difference]:
    """Entries that are missing, else those in another order. Others than the spec's may stand between them."""
    there = {_folded(name): name for name in actual}
    missing = [name for name in due if _folded(name) not in there]
    both = [_folded(name) for name in due if _folded(name) in there]
    if missing:
        words = f"without {', '.join(missing)}"
    elif [name for name in there if name in both] != both:
        words = f"in another order: {', '.join(actual)}"
    else:
        return
    yield part.setting("boot_order", ", ".join(due), ", ".join(actual), f"system: boot entries {words}")


def _sriov(due: dict[str, int], actual: dict[str, int], inventory: wire.Inventory) -> Iterator[Difference]:
    """Fewer virtual functions than expected. A port that is not there at all makes its own difference."""
    ports = {nic.mac.lower(): nic.mac for nic in inventory.nics}
    for name, most in due.items():
        offered = actual.get(name, 0)
        kind, blamed = ("nic", ports[name]) if name in ports else ("system", "system")
        is_port_gone = kind == ComponentKind.SYSTEM and LIKE_A_MAC.fullmatch(name) is not None
        if offered < most and not is_port_gone:
            message = f"{name}: offers {offered} virtual functions (SR-IOV), expected {most}"
            part = Part(f"settings.sriov[{name}]", kind, blamed)
            yield part.no_passthrough("", float(most), float(offered), message)


def _power_limits(part: Part, due: dict[str, int], actual: dict[str, int]) -> Iterator[Difference]:
    for name, watts in due.items():
        there = actual.get(name, watts)
        if there != watts:
            leaf, message = f"power_limits[{name}]", f"system: power limit {name} {there} W, expected {watts} W"
            yield part.setting(leaf, float(watts), float(there), message)
