"""A member of a ZFS pool, in the first partition of a GPT, as Proxmox lays it out: the four vdev labels with
the pool's name and its uberblocks (OpenZFS, vdev_label.c). There is no pool behind the labels: enough to be
recognised and named."""

from __future__ import annotations

import struct
from pathlib import Path

from tests.rack.content import gpt
from tests.rack.content.place import IDENTITY, write_at

POOL = "rpool"
_LABEL_BYTES = 256 * 1024
_NAMES_AT, _UBERBLOCKS_AT, _UBERBLOCK_BYTES, _UBERBLOCKS = 16 * 1024, 128 * 1024, 1024, 8
_UBERBLOCK_MAGIC, _POOL_VERSION = 0x00BAB10C, 5000
_GUID = IDENTITY.int & 0x7FFFFFFFFFFFFFFF
_UINT64, _STRING = 8, 9


def write_in_partition(image: Path) -> None:
    start, length = gpt.partition(image, gpt.ZFS)
    length -= length % _LABEL_BYTES
    for offset in (0, _LABEL_BYTES, length - 2 * _LABEL_BYTES, length - _LABEL_BYTES):
        write_at(image, start + offset, _label())


def _label() -> bytes:
    label = bytearray(_LABEL_BYTES)
    names = _name_list()
    label[_NAMES_AT : _NAMES_AT + len(names)] = names
    for slot in range(_UBERBLOCKS):
        block = struct.pack("<QQQQQ", _UBERBLOCK_MAGIC, _POOL_VERSION, slot + 1, _GUID, 1767225600 + slot)
        at = _UBERBLOCKS_AT + slot * _UBERBLOCK_BYTES
        label[at : at + len(block)] = block
    return bytes(label)


def _name_list() -> bytes:
    """An nvlist in XDR: what the pool is called and which device of it this is."""
    pairs = (
        _number("version", _POOL_VERSION), _text("name", POOL), _number("state", 0),
        _number("txg", _UBERBLOCKS), _number("pool_guid", _GUID), _number("top_guid", _GUID + 1),
        _number("guid", _GUID + 1),
    )  # fmt: skip
    return struct.pack(">BBBBII", 1, 1, 0, 0, 0, 1) + b"".join(pairs) + bytes(8)


def _number(name: str, value: int) -> bytes:
    return _pair(name, _UINT64, struct.pack(">Q", value))


def _text(name: str, value: str) -> bytes:
    return _pair(name, _STRING, _xdr_string(value))


def _pair(name: str, kind: int, value: bytes) -> bytes:
    rest = _xdr_string(name) + struct.pack(">II", kind, 1) + value
    return struct.pack(">II", len(rest) + 8, len(rest) + 8) + rest


def _xdr_string(text: str) -> bytes:
    raw = text.encode()
    return struct.pack(">I", len(raw)) + raw.ljust((len(raw) + 3) // 4 * 4, b"\0")
