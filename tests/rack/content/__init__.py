"""What was on a disk before its machine was first switched on: real signatures, one writer per kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.rack.content import bluestore, ext4, gpt, lvm, md_raid, zfs

WRITERS: dict[str, Callable[[Path], None]] = {
    "blank": lambda image: None,
    "ceph": bluestore.write,
    "ext4": ext4.write,
    "gpt": gpt.write,
    "lvm": lvm.write,
    "raid": md_raid.write,
    "zfs-partition": zfs.write_in_partition,
}


def put(kind: str, image: Path) -> None:
    """Writes `kind` (a word of a machine file's `content`) into an image of zeros that has its full size
    already."""
    WRITERS[kind](image)
