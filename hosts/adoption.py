"""Adopt what a run found as what is expected: a whole spec for a host that has none, or one difference at a time. Pure.
It never gives permission to write to a disk."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from typing import Any

from hosts import expectations, found_parts, ports, setup_settings, specpaths, swapped_modules, versions
from hosts.parts import LISTS

Inventory = dict[str, Any]
Spec = dict[str, Any]

# `memory.dimms[DIMM_A1].serial`; a name may hold brackets and dots of its own, as in `fans[FAN [1]]`.
_PATH = re.compile(r"(?:(memory|firmware|settings)\.)?([a-z_]+)(?:\[(.*)\])?(?:\.([a-z_]+))?", re.S)


def from_inventory(inventory: Inventory) -> Spec:
    """Make a spec from the inventory of a good machine. `inventory` is a `wire.Inventory` document."""
    left_out = found_parts.unread(inventory)
    return {kind: parts for kind, parts in found_parts.as_spec(inventory).items() if kind not in left_out}


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
    if expected is None:
        return from_inventory(inventory)
    found = found_parts.as_spec(inventory)
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
    elif way and way[0][0] == "settings":
        setup_settings.adopt(spec, leaf, key, found)
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
    holder[kind] = others + (named if kind in found_parts.WITH_TWINS else named[:1])


def _card_at(pci: str, inventory: Inventory) -> str:
    """The name in the spec of the GPU or adapter at this address, for a difference that names only the address."""
    card: Spec = next((gpu for gpu in inventory["gpus"] if not gpu.get("uuid") and gpu.get("pci") == pci), {})
    adapters = inventory.get("adapters") or []
    adapter: Spec = next((one for one in adapters if not one.get("serial") and one.get("slot") == pci), {})
    return str(card.get("model") or adapter.get("model") or "")


def _adopt_value(holder: Spec, leaf: str, actual: Any, found: Spec) -> None:
    """Adopt a value; counts of zero and booleans too. The speed of a port without a link is removed."""
    value = found.get(leaf) if leaf == "ecc" or actual in (0, "", None) else found_parts.clean(actual)
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
