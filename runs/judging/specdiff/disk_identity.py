"""Which disk of an inventory an entry of the spec means."""

from __future__ import annotations

from collections.abc import Sequence

from agent.contract import wire
from runs.judging.specdiff.difference import Spec


def name_of(spec: Spec) -> str:
    """What paths and findings call the disk."""
    return str(spec.get("serial") or spec.get("wwn") or "")


def matches(spec: Spec, disk: wire.Disk) -> bool:
    """Whether the disk has every identifier that the spec gives. A spec without identifiers matches no disk."""
    given = {key: spec[key] for key in ("serial", "wwn") if spec.get(key)}
    return bool(given) and all(getattr(disk, key) == value for key, value in given.items())


def paired(wanted: Sequence[Spec], left: list[wire.Disk]) -> list[tuple[Spec, wire.Disk | None]]:
    """The disk of each entry, which is taken from `left`; None if it is not there."""
    pairs = []
    for spec in wanted:
        disk = next((disk for disk in left if matches(spec, disk)), None)
        if disk is not None:
            left.remove(disk)
        pairs.append((spec, disk))
    return pairs


def with_same_serial(spec: Spec, left: Sequence[wire.Disk]) -> wire.Disk | None:
    return next((disk for disk in left if spec.get("serial") and disk.serial == spec["serial"]), None)


def absent(wanted: Sequence[Spec], found: Sequence[wire.Disk]) -> list[Spec]:
    """The entries of which nothing is there: no disk has their identifiers, and none has only their serial number."""
    left = list(found)
    lacking = [spec for spec, disk in paired(wanted, left) if disk is None]
    return [spec for spec in lacking if with_same_serial(spec, left) is None]
