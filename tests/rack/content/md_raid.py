"""A member of a Linux software RAID 1: an md superblock, format 1.2 (linux/raid/md_p.h). `mdadm --examine`
reads it."""

from __future__ import annotations

import struct
from pathlib import Path

from tests.rack.content.place import IDENTITY, SECTOR_BYTES, write_at

ARRAY_NAME = "rack:0"
_AT = 4096
_MAGIC = 0xA92B4EFC
_DATA_AT_SECTORS = 2048
_ROLES = (0, 1)


def write(image: Path) -> None:
    superblock = _superblock(image.stat().st_size // SECTOR_BYTES, checksum=0)
    write_at(image, _AT, _superblock(image.stat().st_size // SECTOR_BYTES, checksum=_checksum(superblock)))


def _superblock(sectors: int, checksum: int) -> bytes:
    data = sectors - _DATA_AT_SECTORS
    level, layout, chunk, bitmap_at, created, clean = 1, 0, 0, 0, 1767225600, 0xFFFFFFFFFFFFFFFF
    array = struct.pack(
        "<IIII16s32sQiiQIIi", _MAGIC, 1, 0, 0, IDENTITY.bytes, ARRAY_NAME.encode(), created, level, layout,
        data, chunk, len(_ROLES), bitmap_at,
    )  # fmt: skip
    no_reshape = bytes(28)
    device = struct.pack(
        "<QQQQII16sBBHI",
        _DATA_AT_SECTORS,
        data,
        _AT // SECTOR_BYTES,
        0,
        0,
        0,
        IDENTITY.bytes[::-1],
        0,
        0,
        0,
        0,
    )
    state = struct.pack("<QQQII32x", created, 1, clean, checksum, len(_ROLES))
    return array + no_reshape + device + state + struct.pack(f"<{len(_ROLES)}H", *_ROLES)


def _checksum(superblock: bytes) -> int:
    """The sum of the 32-bit words, its carry added back once."""
    total = sum(struct.unpack(f"<{len(superblock) // 4}I", superblock))
    return ((total & 0xFFFFFFFF) + (total >> 32)) & 0xFFFFFFFF
