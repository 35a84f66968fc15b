"""Adopting what was found as what is expected: all of it, or one difference. Pure, and it never gives
permission to write to a disk."""

from __future__ import annotations

import copy
import re
from typing import Any

from hosts import expectations

Inventory = dict[str, Any]
Spec = dict[str, Any]

# What firmware says where nobody has entered a number.
_DUMMIES = frozenset(
    {"", "none", "unknown", "not specified", "not available", "n/a", "default string", "to be filled by o.e.m.",
     "system serial number", "chassis serial number", "no dimm", "0", "00000000", "ffffffff", "0123456789"}
)  # fmt: skip
_STEP = re.compile(r"([a-z_]+)(?:\[([^\]]*)\])?(?:\.|$)")
_NAME_OF = {"dimms": "locator", "disks": "serial", "nics": "mac", "gpus": "uuid", "psus": "name", "fans": "name"}


def from_inventory(inventory: Inventory) -> Spec:
    """The spec of a machine that is as it should be. `inventory` is a `wire.Inventory` document. What it
    has not, and was asked for with the tool at hand, stands in `not_expected`."""
    missing_tools = inventory.get("missing_tools") or []
    spec: Spec = {
        "system": _kept(inventory["system"], "manufacturer", "product", "serial", "uuid"),
        "cpu": _kept(inventory["cpu"], "sockets", "cores", "model"),
        "memory": _memory(inventory["memory"], slots_known="dmidecode" not in missing_tools),
        "disks": [_disk(disk) for disk in inventory["disks"] if _real(disk["serial"]) or _real(disk["wwn"])],
        "nics": [_nic(nic) for nic in inventory["nics"]],
        "gpus": [_kept(gpu, "uuid", "model") for gpu in inventory["gpus"]],
        "fans": [_kept(fan, "name") for fan in inventory["fans"]],
        "firmware": _kept(inventory["firmware"], "bios", "bmc"),
        "not_expected": _not_there(inventory, missing_tools),
    }
    if inventory["bmc"]:
        spec["psus"] = [_kept(psu, "name") for psu in inventory["psus"] if psu.get("present", True)]
    return expectations.normalise({key: value for key, value in spec.items() if value != {}})


def adopt(expected: Spec | None, path: str, actual: Any, inventory: Inventory) -> Spec:
    """The spec with one difference settled in favour of what was found. `path` and `actual` are those of the
    difference: a part that is gone is taken out, one that is new comes in, a value is replaced."""
    whole = from_inventory(inventory)
    if expected is None:
        return whole
    spec = copy.deepcopy(expected)
    steps = [(name, key) for name, key in _STEP.findall(path)]
    *way, (leaf, key) = steps
    holder = _walk(spec, way)
    if key:
        _adopt_part(holder, leaf, key, _walk(whole, way))
    elif leaf == "mac" or leaf == "uuid" or actual is not None:
        holder[leaf] = actual
    else:
        holder.pop(leaf, None)
    return expectations.normalise(spec)


def _adopt_part(holder: Spec, kind: str, key: str, found: Spec) -> None:
    """Put the part of this name as it was found in place of what was expected."""
    name = _NAME_OF.get(kind, "serial")
    there = [part for part in found.get(kind) or [] if key in (part.get(name), part.get("wwn"), part.get("model"))]
    kept = [part for part in holder.get(kind) or [] if key not in (part.get(name), part.get("wwn"), part.get("model"))]
    holder[kind] = kept + there[:1]


def _walk(spec: Spec, way: list[tuple[str, str]]) -> Spec:
    here = spec
    for name, key in way:
        if not key:
            here = here.setdefault(name, {})
            continue
        word = _NAME_OF[name]
        parts = here.setdefault(name, [])
        match = next((p for p in parts if key in (p.get(word), p.get("wwn"), p.get("model"))), None)
        if match is None:
            parts.append(match := {word: key})
        here = match
    return here


def _memory(memory: Inventory, *, slots_known: bool) -> Spec:
    spec: Spec = {"total_mb": memory.get("installed_mb") or memory.get("total_mb"), "ecc": memory.get("ecc")}
    if slots_known and memory.get("dimms"):
        dimms = [dimm for dimm in memory["dimms"] if dimm["size_mb"]]
        spec["dimms"] = [_kept(dimm, "locator", "size_mb", "serial", "part", "speed_mts") for dimm in dimms]
    return {key: value for key, value in spec.items() if value not in (None, 0)}


def _disk(disk: Inventory) -> Spec:
    return _kept(disk, "serial", "wwn", "bus", "size_mb", "model")


def _nic(nic: Inventory) -> Spec:
    """The speed only where there is a link to have one."""
    return _kept(nic, "mac", "speed_mbit") if nic.get("link") else _kept(nic, "mac")


def _kept(part: Inventory, *names: str) -> Spec:
    return {name: part[name] for name in names if _real(part.get(name))}


def _real(value: Any) -> bool:
    return value is not None and str(value).strip().casefold() not in _DUMMIES


def _not_there(inventory: Inventory, missing_tools: list[str]) -> list[str]:
    absent = {
        "ecc": inventory["memory"].get("ecc") is False,
        "bmc": not inventory["bmc"] and "ipmitool" not in missing_tools,
        "gpu": not inventory["gpus"] and "lspci" not in missing_tools,
    }
    return [word for word, is_absent in absent.items() if is_absent]
