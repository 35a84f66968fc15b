"""Memory against what is expected: the modules slot by slot, then the sum."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from agent import wire
from runs.specdiff.difference import Difference, Part, Spec

# What firmware, graphics and the crash kernel may keep for themselves of the installed memory: Canonical's
# Checkbox allows 25 % up to 2 GiB and 10 % above 16 GiB; between the two we go down in a straight line.
_KEPT_SMALL, _KEPT_LARGE = 0.25, 0.10
_SMALL_MB, _LARGE_MB = 2048, 16384
# Where the modules are listed, a finer rule: the kernel's own map takes 64 bytes of each page of 4 KiB (1.6 %),
# firmware and live image some hundred MiB. More than this, and as much as a module has: one was listed and not mapped.
_MAP_SHARE, _MAP_MB = 0.025, 1024


def memory(expected: Spec, found: wire.Memory, pinned: frozenset[str], *, slots_known: bool) -> Iterator[Difference]:
    """`slots_known` is False where the firmware's list of modules could not be asked."""
    missing_mb = 0
    wanted = expected.get("dimms")
    if wanted is not None and slots_known:
        missing_mb = _missing_mb(wanted, found)
        yield from _dimms(wanted, found, pinned)
    total = list(_total(expected, found, missing_mb, extra_told=wanted is not None and slots_known))
    yield from total or (_unmapped(expected, found) if slots_known else [])
    if expected.get("ecc") and found.ecc is False:
        yield Part("memory", "system", "system").less("ecc", 1, 0, "memory error correction")


def _dimms(wanted: list[Spec], found: wire.Memory, pinned: frozenset[str]) -> Iterator[Difference]:
    there = {dimm.locator: dimm for dimm in found.dimms if dimm.size_mb > 0}
    for spec in wanted:
        part = Part(f"memory.dimms[{spec['locator']}]", "dimm", spec["locator"], pinned)
        if (dimm := there.pop(spec["locator"], None)) is None:
            yield part.missing(_words(spec), f"{part.name}: no module found, expected {_words(spec)}")
        else:
            yield from _dimm(part, spec, dimm)
    for dimm in there.values():
        part = Part(f"memory.dimms[{dimm.locator}]", "dimm", dimm.locator)
        size = f"{dimm.size_mb} MiB"
        yield part.unexpected(size, f"{dimm.locator}: a module of {size} that is not expected")


def _dimm(part: Part, spec: Spec, dimm: wire.Dimm) -> Iterator[Difference]:
    yield from part.amount("size_mb", spec.get("size_mb"), dimm.size_mb, "size", "MiB")
    if spec.get("speed_mts") and dimm.speed_mts is not None:
        yield from part.amount("speed_mts", spec["speed_mts"], dimm.speed_mts, "speed", "MT/s")
    serial = spec.get("serial")
    if serial and serial != dimm.serial:
        message = f"{part.name}: replaced, serial {dimm.serial or 'none'} in place of {serial}"
        yield part.replaced(serial, dimm.serial, message)
    yield from part.text("part", spec.get("part"), dimm.part, "part number")


def _total(expected: Spec, found: wire.Memory, missing_mb: int, *, extra_told: bool) -> Iterator[Difference]:
    """The sum, less what missing or smaller modules have been blamed for already. Both what the firmware
    lists and what the kernel sees must reach it: a module that is listed and not seen is one that failed
    its training."""
    total_mb = expected.get("total_mb")
    if total_mb is None:
        return
    due_mb = max(total_mb - missing_mb, 0)
    part = Part("memory", "system", "system")
    if found.installed_mb and found.installed_mb != due_mb:
        if found.installed_mb < due_mb or not extra_told:
            yield from part.amount("total_mb", due_mb, found.installed_mb, "installed memory", "MiB")
    elif found.total_mb < due_mb * (1 - _kept(due_mb)):
        yield part.less("total_mb", due_mb, found.total_mb, "memory that the kernel sees", "MiB")


def _unmapped(expected: Spec, found: wire.Memory) -> Iterator[Difference]:
    """A module that the firmware lists and did not hand on, on hosts with so many that the share kept hides it. A spec
    that states less is content with less."""
    sizes = [dimm.size_mb for dimm in found.dimms if dimm.size_mb > 0]
    installed_mb = found.installed_mb or sum(sizes)
    due_mb = min(expected.get("total_mb") or installed_mb, installed_mb)
    short_mb = due_mb - found.total_mb
    if sizes and short_mb >= min(sizes) and short_mb > _MAP_SHARE * due_mb + _MAP_MB:
        short = Part("memory", "system", "system").less(
            "total_mb", due_mb, found.total_mb, "memory that the kernel sees", "MiB"
        )
        yield replace(short, message=f"{short.message}: short by as much as a module")


def _missing_mb(wanted: list[Spec], found: wire.Memory) -> int:
    there = {dimm.locator: dimm.size_mb for dimm in found.dimms}
    return sum(max((spec.get("size_mb") or 0) - there.get(spec["locator"], 0), 0) for spec in wanted)


def _kept(total_mb: float) -> float:
    """Share of the memory that the kernel may not see."""
    along = min(max((total_mb - _SMALL_MB) / (_LARGE_MB - _SMALL_MB), 0.0), 1.0)
    return _KEPT_SMALL + along * (_KEPT_LARGE - _KEPT_SMALL)


def _words(spec: dict[str, Any]) -> str:
    size = f"{spec['size_mb']} MiB" if spec.get("size_mb") else "a module"
    return f"{size}, serial {spec['serial']}" if spec.get("serial") else size
