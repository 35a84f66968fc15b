"""Compare memory: the modules slot by slot, then the sum."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from agent.contract import wire
from agent.contract.placeholders import is_placeholder
from hosts import seen_memory, swapped_modules
from runs.judging.specdiff.difference import Difference, Part, Spec


def memory(expected: Spec, found: wire.Memory, pinned: frozenset[str], *, slots_known: bool) -> Iterator[Difference]:
    """The differences of the memory. `slots_known` is False if the firmware's list of modules could not be read."""
    missing_mb = 0
    wanted = expected.get("dimms")
    if wanted is not None and slots_known:
        missing_mb = _missing_mb(wanted, found)
        yield from _dimms(wanted, found, pinned)
    total = list(_total(expected, found, missing_mb, extra_told=wanted is not None and slots_known))
    yield from total or (_unmapped(expected, found) if slots_known else [])
    if expected.get("ecc") and found.ecc is False:
        yield Part("memory", "system", "system").less("ecc", 1, 0, "memory error correction")


def not_compared(expected: Spec, found: wire.Memory) -> Iterator[str]:
    """What the spec states of memory and the firmware does not report, one sentence each. A module's size need not be
    reported if the kernel sees all the expected memory."""
    if expected.get("ecc") and found.ecc is None:
        yield "memory.ecc could not be compared: the firmware does not say whether errors are corrected"
    sum_seen = bool(expected.get("total_mb") and found.total_mb)
    if expected.get("total_mb") and not found.total_mb and not found.installed_mb:
        yield "memory.total_mb could not be compared: neither the kernel nor the firmware reports it"
    there = _by_locator(found)
    for spec in expected.get("dimms") or []:
        if (dimm := there.get(spec["locator"])) is not None:
            yield from _unread(spec, dimm, sum_seen=sum_seen)


def _unread(spec: Spec, dimm: wire.Dimm, *, sum_seen: bool) -> Iterator[str]:
    path = f"memory.dimms[{spec['locator']}]"
    is_it = bool(dimm.serial) and dimm.serial.casefold() == str(spec.get("serial") or "").casefold()
    if dimm.size_mb is None and not sum_seen and (spec.get("size_mb") or (spec.get("serial") and not is_it)):
        yield f"{path}.size_mb could not be compared: the firmware lists the module without its size"
    if spec.get("speed_mts") and dimm.speed_mts is None:
        yield f"{path}.speed_mts could not be compared: the firmware does not report the module's speed"


def _dimms(wanted: list[Spec], found: wire.Memory, pinned: frozenset[str]) -> Iterator[Difference]:
    there = _by_locator(found)
    groups = swapped_modules.groups(wanted, {slot: dimm.serial for slot, dimm in there.items()})
    moved = {slot: spec for group in groups for slot, spec in group.items()}
    yield from (_swapped(group, pinned) for group in groups)
    for spec in wanted:
        part = Part(f"memory.dimms[{spec['locator']}]", "dimm", spec["locator"], pinned)
        if (dimm := there.pop(spec["locator"], None)) is None:
            yield part.missing(_words(spec), f"{part.name}: no module found, expected {_words(spec)}")
        else:
            yield from _dimm(part, moved.get(spec["locator"], spec), dimm)
    for dimm in there.values():
        part = Part(f"memory.dimms[{dimm.locator}]", "dimm", dimm.locator)
        yield part.unexpected(_size(dimm), f"{dimm.locator}: a module of {_size(dimm)} that is not expected")


def _swapped(group: swapped_modules.Group, pinned: frozenset[str]) -> Difference:
    """One difference for modules in each other's slots, since nothing was replaced."""
    first = next((slot for slot in group if f"memory.dimms[{slot}].serial" in pinned), next(iter(group)))
    others = [slot for slot in group if slot != first]
    words = " and ".join([", ".join([first, *others[:-1]]), others[-1]])
    sits = group[first]["serial"]
    expected = next(spec["serial"] for spec in group.values() if spec["locator"] == first)
    message = f"{words}: the modules are swapped, {sits} sits in {first} in place of {expected}"
    return Part(f"memory.dimms[{first}]", "dimm", first, pinned).swapped(expected, sits, message)


def _dimm(part: Part, spec: Spec, dimm: wire.Dimm) -> Iterator[Difference]:
    yield from part.amount("size_mb", spec.get("size_mb"), dimm.size_mb, "size", "MiB")
    if spec.get("speed_mts") and dimm.speed_mts is not None:
        for one in part.amount("speed_mts", spec["speed_mts"], dimm.speed_mts, "speed", "MT/s"):
            yield replace(one, message=f"{one.message}{_rated(dimm)}")
    serial = spec.get("serial") or ""
    if not is_placeholder(serial) and serial.casefold() != dimm.serial.casefold():
        message = f"{part.name}: replaced, serial {dimm.serial or 'none'} in place of {serial}"
        yield part.replaced(serial, dimm.serial, message)
    yield from part.text("part", spec.get("part"), dimm.part, "part number")


def _rated(dimm: wire.Dimm) -> str:
    """That the module could be faster: then it is slowed down by a setting, the processor or another module."""
    is_slowed = dimm.rated_mts and dimm.speed_mts is not None and dimm.rated_mts > dimm.speed_mts
    return f"; the module is rated for {dimm.rated_mts} MT/s" if is_slowed else ""


def _total(expected: Spec, found: wire.Memory, missing_mb: int, *, extra_told: bool) -> Iterator[Difference]:
    """The sum of memory, without what missing and smaller modules account for. Both the firmware's sum and the kernel's
    must reach it: a module that the firmware lists and the kernel does not see has failed its training. (The spec of a
    host with mirrored memory states the kernel's sum, and the firmware's is larger.)"""
    total_mb = expected.get("total_mb")
    if total_mb is None:
        return
    due_mb = max(total_mb - missing_mb, 0)
    part = Part("memory", "system", "system")
    if seen_memory.is_short(due_mb, found.total_mb) and not 0 < found.installed_mb < due_mb:
        yield part.less("total_mb", due_mb, found.total_mb, "memory that the kernel sees", "MiB")
    elif found.installed_mb and (found.installed_mb < due_mb or not extra_told):
        yield from part.amount("total_mb", due_mb, found.installed_mb, "installed memory", "MiB")


def _unmapped(expected: Spec, found: wire.Memory) -> Iterator[Difference]:
    """A module that the firmware lists but did not map, on hosts with so many modules that the share that may be kept
    would allow it. If the spec states less memory, less is enough."""
    due_mb = min(expected.get("total_mb") or found.installed_mb, found.installed_mb)
    if seen_memory.lacks_a_module(due_mb, found.total_mb, map(_ram_mb, found.dimms)):
        short = Part("memory", "system", "system").less(
            "total_mb", due_mb, found.total_mb, "memory that the kernel sees", "MiB"
        )
        yield replace(short, message=f"{short.message}: short by as much as a module")


def _missing_mb(wanted: list[Spec], found: wire.Memory) -> int:
    """MiB of RAM that missing and smaller modules account for. Persistent memory and caches are not RAM. A module of
    the right size that gives less RAM (its mode was changed) is not counted here: the sum's difference reports it."""
    there = _by_locator(found)
    return sum(_lost_mb(spec, there.get(spec["locator"])) for spec in wanted)


def _lost_mb(spec: Spec, dimm: wire.Dimm | None) -> int:
    due_mb: int = spec["ram_mb"] if spec.get("ram_mb") is not None else spec.get("size_mb") or 0
    if dimm is None:
        return due_mb
    is_smaller = dimm.size_mb is not None and dimm.size_mb < (spec.get("size_mb") or 0)
    return max(due_mb - _ram_mb(dimm), 0) if is_smaller else 0


def _by_locator(found: wire.Memory) -> dict[str, wire.Dimm]:
    return {dimm.locator: dimm for dimm in found.dimms if dimm.size_mb is None or dimm.size_mb > 0}


def _ram_mb(dimm: wire.Dimm) -> int:
    return (dimm.size_mb or 0) if dimm.ram_mb is None else dimm.ram_mb


def _words(spec: Spec) -> str:
    size = f"{spec['size_mb']} MiB" if spec.get("size_mb") else "a module"
    return f"{size}, serial {spec['serial']}" if spec.get("serial") else size


def _size(dimm: wire.Dimm) -> str:
    kind = " of persistent memory" if dimm.persistent else ""
    return f"{dimm.size_mb} MiB{kind}" if dimm.size_mb else f"unknown size{kind}"
