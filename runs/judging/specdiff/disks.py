"""Compare disks: by serial number and WWN, never by name or place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agent.contract import wire
from runs.judging.specdiff import unready
from runs.judging.specdiff.difference import Difference, Part, Spec
from runs.judging.specdiff.disk_identity import matches

ROUNDING_MB = 1


def disks(
    wanted: list[Spec], found: list[wire.Disk], pinned: frozenset[str], not_ready: Sequence[wire.Unready] = ()
) -> Iterator[Difference]:
    """A missing disk is critical, unless it may be behind a controller that was not ready. An unexpected one is a
    warning, also a USB stick, and a second disk with the same serial number."""
    left = list(found)
    for spec in wanted:
        name = spec.get("serial") or spec.get("wwn") or ""
        part = Part(f"disks[{name}]", "disk", name, pinned)
        disk = next((disk for disk in left if matches(spec, disk)), None)
        if disk is None:
            if _near(spec, left) is None and unready.may_hide(spec, not_ready):
                continue
            yield part.missing(name, _absent(spec, name, left))
        else:
            left.remove(disk)
            yield from _disk(part, spec, disk)
    for disk in left:
        name = disk.serial or disk.wwn or disk.name
        words = " ".join(filter(None, (disk.bus.upper(), "disk", disk.model, f"of {disk.size_mb} MiB ({disk.name})")))
        yield Part(f"disks[{name}]", "disk", name).unexpected(words, f"{name}: {words} is not expected")


def _disk(part: Part, spec: Spec, disk: wire.Disk) -> Iterator[Difference]:
    if spec.get("bus") and spec["bus"] != disk.bus:
        yield part.wrong_bus(spec["bus"], disk.bus)
    yield from part.amount("size_mb", spec.get("size_mb"), disk.size_mb, "size", "MiB", slack=ROUNDING_MB)
    yield from part.text("model", spec.get("model"), disk.model, "model")


def _near(spec: Spec, left: list[wire.Disk]) -> wire.Disk | None:
    return next((disk for disk in left if spec.get("serial") and disk.serial == spec["serial"]), None)


def _absent(spec: Spec, name: str, left: list[wire.Disk]) -> str:
    near = _near(spec, left)
    if near is not None:
        return f"{name}: {near.name} has this serial, but WWN {near.wwn or 'none'} and not {spec.get('wwn')}"
    kind = " ".join(filter(None, (spec.get("bus"), "disk", spec.get("model"))))
    size = f" of {spec['size_mb']} MiB" if spec.get("size_mb") else ""
    return f"{name}: expected {kind}{size} is absent"
