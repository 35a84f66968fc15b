"""The images behind a machine's disks: made, filled, and compared."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tests.rack import content
from tests.rack.bay import Bay
from tests.rack.machinefile import Machine

MIB = 1024 * 1024


def make(machine: Machine, bay: Bay) -> None:
    """An image per disk, sparse, with its content."""
    for index, disk in enumerate(machine.disks):
        image = bay.image(index)
        with image.open("xb") as file:
            file.truncate(disk.size_mb * MIB)
        content.put(disk.content, image)


def digests(machine: Machine, bay: Bay) -> list[str]:
    """SHA-256 of each image, in the order of the machine's disks (one serial may stand on two)."""
    return [_sha256(bay.image(index)) for index in range(len(machine.disks))]


def touched(machine: Machine, before: list[str], after: list[str]) -> set[str]:
    """Serials whose image is no longer what it was."""
    changed = zip(machine.disks, before, after, strict=True)
    return {disk.serial for disk, old, new in changed if old != new}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
