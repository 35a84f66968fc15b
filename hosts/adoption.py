"""Adopt what a run found as what is expected: a whole spec for a host that has none, or one difference at a time. Pure.
It never gives permission to write to a disk."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ValidationError

from agent.contract.placeholders import is_no_name, is_placeholder
from hosts import expectations, ports, seen_memory, specpaths, swapped_modules, versions
from hosts.fields import normalise_mac
from hosts.parts import LISTS

Inventory = dict[str, Any]
Spec = dict[str, Any]

# A slot's name need not be a serial number.
_NAMES = ("locator", "name")
# Some of these are known by their model only; if one of several is missing, that must be noticed.
_WITH_TWINS = ("gpus", "adapters")
# `memory.dimms[DIMM_A1].serial`; a name may hold brackets and dots of its own, as in `fans[FAN [1]]`.
_PATH = re.compile(r"(?:(memory|firmware)\.)?([a-z_]+)(?:\[(.*)\])?(?:\.([a-z_]+))?", re.S)


def from_inventory(inventory: Inventory) -> Spec:
    """Make a spec from the inventory of a good machine. `inventory` is a `wire.Inventory` document. A kind of part that
    its tool looked for and did not find goes into `not_expected`."""
    missing_tools = inventory.get("missing_tools") or []
    spec: Spec = {
        "system": _kept(inventory["system"], "manufacturer", "product", "serial", "uuid"),
        "cpu": _kept(inventory["cpu"], "sockets", "cores", "model"),
        "memory": _memory(inventory["memory"], slots_known="dmidecode" not in missing_tools),
        "nics": _named("nics", map(_nic, inventory["nics"])),
        "firmware": _firmware(inventory),
        "not_expected": _not_there(inventory, missing_tools),
    }
    if "lsblk" not in missing_tools:
        spec["disks"] = _named("disks", map(_disk, inventory["disks"]))
    if ports := inventory.get("infiniband"):
        spec["infiniband"] = _named("infiniband", map(_port, ports))
    if inventory["bmc"] and "sdr_power_supply" not in missing_tools:
        present = (psu for psu in inventory["psus"] if psu.get("present", True))
        spec["psus"] = _named("psus", (_kept(psu, "name") for psu in present))
    if "lspci" not in missing_tools:
        spec["gpus"] = _named("gpus", (_kept(gpu, "uuid", "model") for gpu in inventory["gpus"]))
    if "lspci" not in missing_tools and "adapters" in inventory:
        spec["adapters"] = _named(
            "adapters", (_kept(one, "serial", "model") for one in inventory.get("adapters") or [])
        )
    if "sdr_fan" not in missing_tools:
        turning = (fan for fan in inventory["fans"] if fan.get("rpm") or fan.get("percent"))
        spec["fans"] = _named("fans", (_kept(fan, "name") for fan in turning))
    return expectations.normalise({key: spec[key] for key in expectations.PARTS if spec.get(key, {}) != {}})


def adopt_all(expected: Spec | None, differences: Iterable[tuple[str, Any]], inventory: Inventory) -> Spec:
    """Adopt every difference (path, actual), one after the other. Everything else stays, also pinned values and
    `not_expected`. A host whose spec names no part gets all that was found."""
    if not expectations.names_parts(expected):
        return _with_what_was_said(from_inventory(inventory), expected or {})
    adopted = expected or {}
    for path, actual in differences:
        adopted = adopt(adopted, path, actual, inventory)
    return adopted


def _with_what_was_said(found: Spec, said: Spec) -> Spec:
    """Keep `not_expected` and `pinned` of a spec that named no part yet."""
    words = {key: [*(said.get(key) or []), *(found.get(key) or [])] for key in ("pinned", "not_expected")}
    return expectations.normalise(found | {key: list(dict.fromkeys(each)) for key, each in words.items() if each})


def adopt(expected: Spec | None, path: str, actual: Any, inventory: Inventory) -> Spec:
    """Adopt one difference. `path` and `actual` are those of the difference. A part that is gone is removed, a new part
    is added, a value is replaced. A part without serial and WWN can't be listed in a spec: it stays a difference."""
    found = from_inventory(inventory)
    if expected is None:
        return found
    spec = copy.deepcopy(expected)
    if path == "firmware.bmc" and actual is None:
        spec = _without_bmc(spec, found)
        _drop_pins(spec, expected)
        return expectations.normalise(spec)
    if not (steps := _steps(path)):
        return expected
    _adopt_at(spec, steps, path, actual, found, inventory)
    _keep_total(spec, expected)
    _keep_pins(spec, path, actual)
    _drop_pins(spec, expected)
    _expect_again(spec, expected)
    return expectations.normalise(spec)


def _adopt_at(
    spec: Spec, steps: list[tuple[str, str]], path: str, actual: Any, found: Spec, inventory: Inventory
) -> None:
    """Change the spec in place, at these steps of the path. `found` is the inventory as a spec."""
    *way, (leaf, key) = steps
    if leaf == "cpu":
        spec["cpu"] = found["cpu"]
    elif leaf == "serial" and (group := _swapped(spec, path, found)):
        _put_back(spec, group)
    elif way and way[0][0] == "firmware" and key:
        versions.adopt(spec, leaf, key, str(actual or ""), inventory)
    elif way and way[0][0] == "nics" and (leaf == "spare" or (leaf == "speed_mbit" and not actual)):
        ports.adopt_link(_find(spec, way), _find(found, way))
    elif key:
        _adopt_part(_find(spec, way), leaf, _card_at(key, inventory) or key, _find(found, way))
    else:
        _adopt_value(_find(spec, way), leaf, actual, _find(found, way))


def _steps(path: str) -> list[tuple[str, str]]:
    """The steps of a path through a spec, each with the name of its part; empty for what is no path."""
    match = _PATH.fullmatch(path)
    if match is None:
        return []
    holder, kind, key, leaf = match.groups(default="")
    return [step for step in ((holder, ""), (kind, key), (leaf, "")) if step[0]]


def _adopt_part(holder: Spec, kind: str, key: str, found: Spec) -> None:
    """Replace the expected part of this name by the part that was found. GPUs: all of this name, since it may be their
    model."""
    others = [part for part in holder.get(kind) or [] if not _is_called(part, kind, key)]
    named = [part for part in found.get(kind) or [] if _is_called(part, kind, key)]
    holder[kind] = others + (named if kind in _WITH_TWINS else named[:1])


def _card_at(pci: str, inventory: Inventory) -> str:
    """The name in the spec of the GPU or adapter at this address, for a difference that names only the address."""
    card: Spec = next((gpu for gpu in inventory["gpus"] if not gpu.get("uuid") and gpu.get("pci") == pci), {})
    adapters = inventory.get("adapters") or []
    adapter: Spec = next((one for one in adapters if not one.get("serial") and one.get("slot") == pci), {})
    return str(card.get("model") or adapter.get("model") or "")


def _adopt_value(holder: Spec, leaf: str, actual: Any, found: Spec) -> None:
    """Adopt a value; counts of zero and booleans too. The speed of a port without a link is removed."""
    value = found.get(leaf) if leaf == "ecc" or actual in (0, "", None) else _clean(actual)
    holder[leaf] = value
    if value is None:
        del holder[leaf]


def _swapped(spec: Spec, path: str, found: Spec) -> swapped_modules.Group:
    """The group of swapped modules that the slot of this path belongs to; empty if none."""
    wanted, there = ((one.get("memory") or {}).get("dimms") or [] for one in (spec, found))
    groups = swapped_modules.groups(wanted, {dimm["locator"]: dimm.get("serial", "") for dimm in there})
    return next((one for one in groups for slot in one if path == f"memory.dimms[{slot}].serial"), {})


def _put_back(spec: Spec, group: swapped_modules.Group) -> None:
    """Expect these modules in the slots where they are now."""
    dimms = spec["memory"]["dimms"]
    spec["memory"]["dimms"] = [{**group.get(slot := dimm["locator"], dimm), "locator": slot} for dimm in dimms]


def _keep_total(spec: Spec, before: Spec) -> None:
    """Update the total size after modules were adopted. If less is expected than the modules have (mirrored memory),
    the share stays."""
    total_mb, old_mb, new_mb = (spec.get("memory") or {}).get("total_mb"), _sum_mb(before), _sum_mb(spec)
    if total_mb:
        is_share = total_mb < old_mb
        spec["memory"]["total_mb"] = total_mb * new_mb // old_mb if is_share else total_mb + new_mb - old_mb


def _keep_pins(spec: Spec, path: str, actual: Any) -> None:
    """Rename the pins of a part that was renamed."""
    *way, (leaf, key) = _steps(path)
    prefix = path if key else path.rpartition(".")[0]
    kind, old = (leaf, key) if key else (way or [("", "")])[-1]
    if not old or "pinned" not in spec:
        return
    if not key and kind in LISTS and leaf == LISTS[kind].keys[0] and actual:
        renamed = f"{prefix[: -len(old) - 1]}{actual}]"
        spec["pinned"] = [re.sub(rf"^{re.escape(prefix)}(?=\.)", lambda _: renamed, pin) for pin in spec["pinned"]]


def _drop_pins(spec: Spec, before: Spec) -> None:
    """Remove the pins of a value that was removed. A pin that never led to a value stays: the comparison reports it."""
    gone = [pin for pin in spec.get("pinned") or [] if not _is_stated(spec, pin) and _is_stated(before, pin)]
    if gone:
        spec["pinned"] = [pin for pin in spec["pinned"] if pin not in gone]


def _is_stated(spec: Spec, pin: str) -> bool:
    return not specpaths.why_not_pinned(pin, spec, expectations.PATHS)


def _expect_again(spec: Spec, before: Spec) -> None:
    """Test GPUs from now on: remove them from `not_expected`, if the spec named none before. (If it named some, a
    person wrote that word and meant it.)"""
    if "gpu" in (spec.get("not_expected") or []) and spec.get("gpus") and not before.get("gpus"):
        spec["not_expected"] = [word for word in spec["not_expected"] if word != "gpu"]


def _sum_mb(spec: Spec) -> int:
    """The size of the RAM: persistent memory does not count."""
    dimms = (spec.get("memory") or {}).get("dimms") or []
    return sum(dimm.get("ram_mb", dimm.get("size_mb") or 0) for dimm in dimms)


def _without_bmc(spec: Spec, found: Spec) -> Spec:
    """Remove the BMC and everything that only a BMC reports."""
    spec.pop("psus", None)
    (spec.get("firmware") or {}).pop("bmc", None)
    if "fans" in spec:
        spec["fans"] = found.get("fans", [])
    spec["not_expected"] = [*(word for word in spec.get("not_expected") or [] if word != "bmc"), "bmc"]
    return spec


def _find(spec: Spec, way: list[tuple[str, str]]) -> Spec:
    """The part at the end of these steps; an empty one if there is none."""
    here = spec
    for name, key in way:
        if key:
            here = next((part for part in here.get(name) or [] if _is_called(part, name, key)), {})
        else:
            here = here.setdefault(name, {})
    return here


def _is_called(part: Spec, kind: str, key: str) -> bool:
    """Whether the part has this name under any of the names of its kind."""
    return kind in LISTS and key in (part.get(field) for field in LISTS[kind].keys)


def _memory(memory: Inventory, *, slots_known: bool) -> Spec:
    spec = _kept({"total_mb": seen_memory.to_expect_mb(memory)}, "total_mb")
    if memory.get("ecc") is not None:
        spec["ecc"] = memory["ecc"]
    if slots_known and memory.get("dimms"):
        spec["dimms"] = _named("dimms", (_dimm(dimm) for dimm in memory["dimms"] if dimm["size_mb"] != 0))
    return spec


def _dimm(dimm: Inventory) -> Spec:
    """Says how much of the module is RAM only if that is not all of it."""
    spec = _kept(dimm, "locator", "size_mb", "serial", "part", "speed_mts")
    ram_mb = dimm.get("ram_mb")
    return spec if ram_mb is None or not 0 <= ram_mb <= 10**9 else {**spec, "ram_mb": ram_mb}


def _disk(disk: Inventory) -> Spec:
    spec = _kept(disk, "serial", "wwn", "bus", "size_mb", "model")
    return {**spec, "bus": spec["bus"] if spec.get("bus") in expectations.BUSES else "other"}


def _nic(nic: Inventory) -> Spec:
    """Includes the speed only if the port has a link and is a card of the machine. A BMC's network port on USB leads to
    no switch and is not tested. A port without a link is spare."""
    spec = _kept(nic, "mac", "speed_mbit") if nic.get("link") and nic.get("pci") else _kept(nic, "mac")
    if not nic.get("link"):
        spec["spare"] = True
    try:
        return {**spec, "mac": normalise_mac(spec.get("mac", ""))}
    except ValidationError:
        return {}


def _firmware(inventory: Inventory) -> Spec:
    told = {**inventory["firmware"], "microcode": inventory["cpu"].get("microcode")}
    return _kept(told, "bios", "bmc", "microcode") | versions.as_found(inventory)


def _port(port: Inventory) -> Spec:
    return _kept(port, "guid", "speed_mbit") if port.get("link") else _kept(port, "guid")


def _named(kind: str, parts: Iterable[Spec]) -> list[Spec]:
    """The parts that have a name of their own: of several with the same name, the first. GPUs without a driver are kept
    all: they have only their model as a name, and each of them must be missed if it goes."""
    first: dict[Any, Spec] = {}
    for number, part in enumerate(parts):
        if name := LISTS[kind].name(part):
            has_twins = kind in _WITH_TWINS and not part.get(LISTS[kind].keys[0])
            first.setdefault((name, number) if has_twins else name, part)
    return list(first.values())


def _kept(part: Inventory, *names: str) -> Spec:
    """These fields as the hardware reports them, in a form that a spec accepts."""
    values = {name: _clean(part.get(name), is_name=name in _NAMES) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def _clean(value: Any, *, is_name: bool = False) -> str | int | None:
    if isinstance(value, int):
        return value if 0 < value <= 10**9 else None
    text = "".join(c for c in str(value or "") if c.isprintable()).strip()[:128].strip()
    return None if (is_no_name if is_name else is_placeholder)(text) else text


def _not_there(inventory: Inventory, missing_tools: list[str]) -> list[str]:
    absent = {
        "ecc": inventory["memory"].get("ecc") is False,
        "bmc": not inventory["bmc"],
        "gpu": not inventory["gpus"] and "lspci" not in missing_tools,
        "throttling": "AMD" in (inventory["cpu"].get("model") or ""),
    }
    return [word for word, is_absent in absent.items() if is_absent]
