"""Compare disks: by serial number and WWN, never by name or place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agent.contract import wire
from runs.judging.specdiff import unready
from runs.judging.specdiff.difference import Difference, Part, Spec
from runs.judging.specdiff.disk_identity import absent, name_of, paired, with_same_serial

ROUNDING_MB = 1


def disks(
    wanted: list[Spec], found: list[wire.Disk], pinned: frozenset[str], not_ready: Sequence[wire.Unready] = ()
) -> Iterator[Difference]:
    """A missing disk is critical, unless it may be behind a controller that was not ready and that can have as many. An
    unexpected one is a warning, also a USB stick, and a second disk with the same serial number."""
    left = list(found)
    pairs = paired(wanted, left)
    excuses = unready.of_disks(absent(wanted, found), not_ready)
    for spec, disk in pairs:
        name = name_of(spec)
        part = Part(f"disks[{name}]", "disk", name, pinned)
        excuse = excuses.get(name, unready.Excuse())
        if disk is not None:
            yield from _disk(part, spec, disk)
        elif not excuse.why:
            yield part.missing(name, _absent(spec, name, left) + excuse.limit)
    for disk in left:
        name = disk.serial or disk.wwn or disk.name
        words = " ".join(filter(None, (disk.bus.upper(), "disk", disk.model, f"of {disk.size_mb} MiB ({disk.name})")))
        yield Part(f"disks[{name}]", "disk", name).unexpected(words, f"{name}: {words} is not expected")


def _disk(part: Part, spec: Spec, disk: wire.Disk) -> Iterator[Difference]:
    if spec.get("bus") and spec["bus"] != disk.bus:
        yield part.wrong_bus(spec["bus"], disk.bus)
    yield from part.amount("size_mb", spec.get("size_mb"), disk.size_mb, "size", "MiB", slack=ROUNDING_MB)
    yield from part.text("model", spec.get("model"), disk.model, "model")


def _absent(spec: Spec, name: str, left: list[wire.Disk]) -> str:
    near = with_same_serial(spec, left)
    if near is not None:
        return f"{name}: {near.name} has this serial, but WWN {near.wwn or 'none'} and not {spec.get('wwn')}"
    kind = " ".join(filter(None, (spec.get("bus"), "disk", spec.get("model"))))
    size = f" of {spec['size_mb']} MiB" if spec.get("size_mb") else ""
    return f"{name}: expected {kind}{size} is absent"
