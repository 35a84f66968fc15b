"""Disk images that hold what a host's disks may hold, made without mounting, loop devices or root."""

from __future__ import annotations

import struct
import subprocess
import uuid
import zlib
from pathlib import Path

SECTOR = 512
MIB = 1024 * 1024
LINUX_ROOT_X86_64 = "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"
LINUX_SWAP = "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F"


def blank(path: Path, size_mib: int) -> Path:
    with path.open("wb") as made:
        made.truncate(size_mib * MIB)
    return path


def ext4(path: Path, size_mib: int) -> Path:
    subprocess.run(["mkfs.ext4", "-q", "-F", blank(path, size_mib)], check=True)
    return path


def swap(path: Path, size_mib: int) -> Path:
    subprocess.run(["mkswap", "-q", blank(path, size_mib)], check=True)
    return path


def gpt_that_asks_to_be_mounted(path: Path, scratch: Path) -> Path:
    """A root partition and a swap partition of the types that systemd's generator would use unasked."""
    blank(path, 64)
    put(path, 1 * MIB, ext4(scratch / "root.part", 32).read_bytes())
    put(path, 33 * MIB, swap(scratch / "swap.part", 16).read_bytes())
    write_gpt(path, [(LINUX_ROOT_X86_64, 1 * MIB, 32 * MIB), (LINUX_SWAP, 33 * MIB, 16 * MIB)])
    return path


def write_gpt(path: Path, partitions: list[tuple[str, int, int]]) -> None:
    """A protective MBR and both tables (UEFI 2.10, section 5.3); a partition is type, start and size in bytes."""
    last = path.stat().st_size // SECTOR - 1
    entries = b"".join(gpt_entry(*partition) for partition in partitions).ljust(128 * 128, b"\0")
    disk = uuid.uuid4().bytes_le
    mbr = struct.pack("<B3sB3sII", 0, b"\0\2\0", 0xEE, b"\xff\xff\xff", 1, last)
    put(path, 446, mbr.ljust(64, b"\0") + b"\x55\xaa")
    put(path, SECTOR, gpt_header(1, last, 2, disk, entries).ljust(SECTOR, b"\0") + entries)
    backup = entries + gpt_header(last, 1, last - 32, disk, entries)
    put(path, (last - 32) * SECTOR, backup)


def gpt_entry(kind: str, start: int, size: int) -> bytes:
    sectors = (start // SECTOR, (start + size) // SECTOR - 1)
    return uuid.UUID(kind).bytes_le + uuid.uuid4().bytes_le + struct.pack("<QQQ72s", *sectors, 0, b"")


def gpt_header(own: int, other: int, table: int, disk: bytes, entries: bytes) -> bytes:
    last = max(own, other)

    def packed(checksum: int) -> bytes:
        start = struct.pack("<8sIIIIQQQQ", b"EFI PART", 0x10000, 92, checksum, 0, own, other, 34, last - 33)
        return start + disk + struct.pack("<QIII", table, 128, 128, zlib.crc32(entries))

    return packed(zlib.crc32(packed(0)))


def lvm(path: Path) -> Path:
    """A physical volume's label, as pvcreate writes it into the second sector (LVM2's format-text layout)."""
    areas = struct.pack("<QQ", MIB, 0) + bytes(16) + struct.pack("<QQ", 4096, MIB - 4096) + bytes(16)
    header = uuid.uuid4().hex.encode() + struct.pack("<Q", 64 * MIB) + areas
    guarded = struct.pack("<I8s", 32, b"LVM2 001") + header
    guarded += bytes(SECTOR - 20 - len(guarded))
    label = struct.pack("<8sQI", b"LABELONE", 1, lvm_crc(guarded)) + guarded
    return put(blank(path, 64), SECTOR, label)


def lvm_crc(data: bytes) -> int:
    """CRC-32 that begins with LVM's own start value and isn't inverted at the end."""
    return ~zlib.crc32(data, ~0xF597A6CF & 0xFFFFFFFF) & 0xFFFFFFFF


def md_raid_member(path: Path) -> Path:
    """A version 1.2 superblock of a two-disk RAID 1, 4 KiB from the start (linux/raid/md_p.h)."""
    block = bytearray(256 + 4)
    struct.pack_into("<II", block, 0, 0xA92B4EFC, 1)
    block[16:32] = uuid.uuid4().bytes
    block[32:37] = b"box:0"
    struct.pack_into("<QIIQIIq", block, 64, 0, 1, 0, 62 * 2048, 0, 2, 0)
    struct.pack_into("<QQQQ", block, 128, 2048, 64 * 2048 - 2048, 8, 0)
    block[168:184] = uuid.uuid4().bytes
    struct.pack_into("<I", block, 220, 2)
    struct.pack_into("<HH", block, 256, 0, 1)
    struct.pack_into("<I", block, 216, md_checksum(bytes(block)))
    return put(blank(path, 64), 4096, bytes(block))


def md_checksum(block: bytes) -> int:
    """The sum of all 32-bit words, its upper half folded in once."""
    total = sum(struct.unpack(f"<{len(block) // 4}I", block))
    return ((total & 0xFFFFFFFF) + (total >> 32)) & 0xFFFFFFFF


def put(path: Path, offset: int, data: bytes) -> Path:
    with path.open("r+b") as disk:
        disk.seek(offset)
        disk.write(data)
    return path
