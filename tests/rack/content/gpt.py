"""A GPT with one partition (UEFI 2.10, chapter 5)."""

from __future__ import annotations

import struct
import uuid
import zlib
from pathlib import Path

from tests.rack.content.place import IDENTITY, SECTOR_BYTES, write_at

LINUX = uuid.UUID("0FC63DAF-8483-4772-8E79-3D69D8477DE4")
ZFS = uuid.UUID("6A898CC3-1DD2-11B2-99A6-080020736631")
_FIRST_SECTOR = 2048
_ENTRIES, _ENTRY_BYTES = 128, 128
_TABLE_SECTORS = _ENTRIES * _ENTRY_BYTES // SECTOR_BYTES


def write(image: Path) -> None:
    partition(image, LINUX)


def partition(image: Path, kind: uuid.UUID) -> tuple[int, int]:
    """Where the one partition begins and how long it is, in bytes."""
    last = image.stat().st_size // SECTOR_BYTES - 1
    usable = last - 1 - _TABLE_SECTORS
    sectors = (usable - _FIRST_SECTOR) // _FIRST_SECTOR * _FIRST_SECTOR
    table = _table(kind, _FIRST_SECTOR, _FIRST_SECTOR + sectors - 1)
    write_at(image, 0, _protective_mbr(last))
    write_at(image, SECTOR_BYTES, _header(table, here=1, other=last, table_at=2, usable=usable) + table)
    backup = _header(table, here=last, other=1, table_at=last - _TABLE_SECTORS, usable=usable)
    write_at(image, (last - _TABLE_SECTORS) * SECTOR_BYTES, table + backup)
    return _FIRST_SECTOR * SECTOR_BYTES, sectors * SECTOR_BYTES


def _table(kind: uuid.UUID, first: int, last: int) -> bytes:
    name = "rack".encode("utf-16-le")
    entry = struct.pack("<16s16sQQQ72s", kind.bytes_le, IDENTITY.bytes_le, first, last, 0, name)
    return entry.ljust(_ENTRIES * _ENTRY_BYTES, b"\0")


def _header(table: bytes, *, here: int, other: int, table_at: int, usable: int) -> bytes:
    return _sealed_header(table, here, other, table_at, usable, 0).ljust(SECTOR_BYTES, b"\0")


def _sealed_header(table: bytes, here: int, other: int, table_at: int, usable: int, checksum: int) -> bytes:
    """The header with its own checksum in it, which is taken with zero in that place."""
    header = struct.pack(
        "<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, checksum, 0, here, other, 2 + _TABLE_SECTORS, usable,
        IDENTITY.bytes_le, table_at, _ENTRIES, _ENTRY_BYTES, zlib.crc32(table),
    )  # fmt: skip
    return header if checksum else _sealed_header(table, here, other, table_at, usable, zlib.crc32(header))


def _protective_mbr(last: int) -> bytes:
    whole_disk = struct.pack("<B3sB3sII", 0, b"\0\x02\0", 0xEE, b"\xff\xff\xff", 1, min(last, 0xFFFFFFFF))
    return (bytes(446) + whole_disk).ljust(510, b"\0") + b"\x55\xaa"
