"""Which disk of an inventory an entry of the spec means."""

from __future__ import annotations

from agent.contract import wire
from runs.judging.specdiff.difference import Spec


def matches(spec: Spec, disk: wire.Disk) -> bool:
    """Whether the disk has every identifier that the spec gives. A spec without identifiers matches no disk."""
    given = {key: spec[key] for key in ("serial", "wwn") if spec.get(key)}
    return bool(given) and all(getattr(disk, key) == value for key, value in given.items())
