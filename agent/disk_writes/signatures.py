"""Recognises what a disk carries: volume managers, RAID, encryption, pools, file systems, partition tables. No I/O
here: `scan` is given a function that reads.

util-linux knows more kinds, and the wipe probe asks it, too. But it gives no names, and an operator needs to read
"volume group pve" or "pool rpool".
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from agent.parsing import clean

Read = Callable[[int, int], bytes]
KIB, MIB = 1024, 1024 * 1024


class Mark(NamedTuple):
    """Something recognised: `kind` in one word, `label` its own name, `words` a text for the operator."""

    kind: str
    label: str
    words: str
    offset: int


class Magic(NamedTuple):
    """Bytes at a place. A negative place counts from the end. The label is text of `label_length` at `label_at`."""

    kind: str
    at: int
    magic: bytes
    words: str
    label_at: int = 0
    label_length: int = 0


# Places and bytes: libblkid's superblocks (util-linux), the Linux kernel's headers of each format, and the makers'.
MAGICS = (
    Magic("ext", 1080, b"\x53\xef", "ext file system", 1144, 16),
    Magic("xfs", 0, b"XFSB", "XFS file system", 108, 12),
    Magic("btrfs", 65600, b"_BHRfS_M", "btrfs file system", 65536 + 0x12B, 64),
    Magic("f2fs", 1024, b"\x10\x20\xf5\xf2", "F2FS file system"),
    Magic("ntfs", 3, b"NTFS    ", "NTFS file system"),
    Magic("exfat", 3, b"EXFAT   ", "exFAT file system"),
    Magic("vfat", 82, b"FAT32   ", "FAT file system", 71, 11),
    Magic("vfat", 54, b"FAT1", "FAT file system", 43, 11),
    Magic("iso9660", 32769, b"CD001", "ISO 9660 file system", 32808, 32),
    Magic("vmfs", MIB, b"\x0d\xd0\x01\xc0", "VMFS volume"),
    Magic("luks", 0, b"LUKS\xba\xbe", "LUKS encrypted volume", 24, 48),
    Magic("luks", 16 * KIB, b"SKUL\xba\xbe", "second header of a LUKS encrypted volume"),
    Magic("bitlocker", 3, b"-FVE-FS-", "BitLocker volume"),
    Magic("bcache", 4096 + 24, bytes.fromhex("c68573f64e1a45ca8265f57f48ba6d81"), "bcache device", 4096 + 72, 32),
    Magic("bcachefs", 4096 + 24, bytes.fromhex("c68573f666ce90a9d96a60cf803df7ef"), "bcachefs file system"),
    Magic("ceph", 0, b"bluestore block device", "Ceph OSD (BlueStore)", 23, 36),
    Magic("swap", 4096 - 10, b"SWAPSPACE2", "swap space", 1052, 16),
    Magic("swap", 4096 - 10, b"SWAP-SPACE", "old swap space"),
    Magic("swap", 4096 - 10, b"S1SUSPEND", "suspended system image"),
    Magic("gpt", 512, b"EFI PART", "GPT partition table"),
    Magic("gpt", 4096, b"EFI PART", "GPT partition table"),
    Magic("gpt_backup", -512, b"EFI PART", "backup GPT partition table"),
    Magic("gpt_backup", -4096, b"EFI PART", "backup GPT partition table"),
    Magic("isw_raid", -1024, b"Intel Raid ISM Cfg Sig. ", "Intel RST RAID member"),
    Magic("ddf_raid", -512, b"\xde\x11\xde\x11", "DDF RAID member"),
)
_MD_MAGIC = struct.pack("<I", 0xA92B4EFC)
_LVM_AREA = b" LVM2 x[5A%r0N*>"
_ZFS_UBERBLOCKS = (struct.pack("<Q", 0x00BAB10C), struct.pack(">Q", 0x00BAB10C))
_ZFS_NAME = re.compile(rb"\x00\x00\x00\x04name\x00\x00\x00\x09\x00\x00\x00\x01\x00\x00(..)", re.DOTALL)


def scan(read: Read, size: int) -> list[Mark]:
    """Everything recognised on a device or partition of `size` bytes. `read(offset, length)` may return less at the
    end. Errors of `read` are passed on."""
    found = [*_magics(read, size), *_lvm(read), *_md(read, size), *_zfs(read, size), *_mbr(read)]
    unique: dict[tuple[str, str], Mark] = {}
    for mark in found:
        unique.setdefault((mark.kind, mark.label), mark)
    return list(unique.values())


def _magics(read: Read, size: int) -> Iterator[Mark]:
    for magic in MAGICS:
        at = magic.at if magic.at >= 0 else size + magic.at
        fits = at >= 0 and at + len(magic.magic) <= size
        if fits and read(at, len(magic.magic)) == magic.magic:
            label = _text(read(magic.label_at, magic.label_length)) if magic.label_length else ""
            yield Mark(magic.kind, label, f"{magic.words} {label}".rstrip(), at)


def _lvm(read: Read) -> Iterator[Mark]:
    """The label is in one of the first four sectors (lvm2, lib/label/label.h)."""
    for sector in range(4):
        label = read(sector * 512, 512)
        if label[:8] == b"LABELONE":
            group = _volume_group(read, label)
            words = f"LVM physical volume of volume group {group}" if group else "LVM physical volume"
            yield Mark("lvm", group, words, sector * 512)
            return


def _volume_group(read: Read, label: bytes) -> str:
    """Follow the label to the metadata area and its text, which begins with the group's name."""
    try:
        at = struct.unpack_from("<I", label, 20)[0] + 40  # past the volume's id and size
        at = _past_list(label, at)
        area, _ = struct.unpack_from("<QQ", label, at)
        header = read(area, 512)
        if not area or header[4:20] != _LVM_AREA:
            return ""
        offset, length = struct.unpack_from("<QQ", header, 40)
        return _text(read(area + offset, min(length, 256)).split(b" ", 1)[0])
    except struct.error:
        return ""


def _past_list(label: bytes, at: int) -> int:
    """A list of (offset, size) ends with an offset of 0."""
    while struct.unpack_from("<Q", label, at)[0]:
        at += 16
    return at + 16


def _md(read: Read, size: int) -> Iterator[Mark]:
    """Superblock 1.1 at the start, 1.2 at 4 KiB, 1.0 near the end; 0.90 in the last whole 64 KiB (md(4))."""
    for at in (0, 4096, (size // 512 - 16 & ~7) * 512):
        block = read(at, 256) if at >= 0 else b""
        if block[:4] == _MD_MAGIC and struct.unpack_from("<I", block, 4)[0] == 1:
            name = _text(block[32:64])
            yield Mark("md_raid", name, f"Linux RAID member {name}".rstrip(), at)
    old = (size & ~0xFFFF) - 0x10000
    if old >= 0 and read(old, 4) == _MD_MAGIC:
        yield Mark("md_raid", "", "Linux RAID member (old format)", old)


def _zfs(read: Read, size: int) -> Iterator[Mark]:
    """Four labels of 256 KiB, two at each end (OpenZFS, vdev_label.c)."""
    label_bytes = 256 * KIB
    end = size // label_bytes * label_bytes
    for at in (0, label_bytes, end - 2 * label_bytes, end - label_bytes):
        if at < 0 or end < 4 * label_bytes:
            continue
        pool = _zfs_pool(read(at + 16 * KIB, 112 * KIB))
        if pool or _has_uberblock(read(at + 128 * KIB, 128 * KIB)):
            yield Mark("zfs", pool, f"ZFS member of pool {pool}" if pool else "ZFS member", at)


def _zfs_pool(names: bytes) -> str:
    match = _ZFS_NAME.search(names)
    if match is None or b"pool_guid" not in names:
        return ""
    length = struct.unpack(">H", match[1])[0]
    return _text(names[match.end() : match.end() + length])


def _has_uberblock(ring: bytes) -> bool:
    return any(ring[slot : slot + 8] in _ZFS_UBERBLOCKS for slot in range(0, len(ring), KIB))


def _mbr(read: Read) -> Iterator[Mark]:
    """An MBR counts only if it has an entry: boot sectors of file systems have the same signature."""
    sector = read(0, 512)
    entries = [sector[446 + 16 * n : 462 + 16 * n] for n in range(4)]
    used = [entry for entry in entries if len(entry) == 16 and entry[4] and struct.unpack_from("<I", entry, 12)[0]]
    if sector[510:512] == b"\x55\xaa" and used and all(entry[0] in (0, 0x80) for entry in used):
        protective = any(entry[4] == 0xEE for entry in used)
        yield Mark("mbr", "", "protective MBR" if protective else f"MBR partition table, {len(used)} partitions", 0)


def _text(raw: bytes) -> str:
    return clean(raw.split(b"\0", 1)[0].decode("utf-8", errors="replace"))[:64]
