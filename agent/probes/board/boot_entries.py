"""UEFI variables: Secure Boot, and the order in which the firmware tries its boot entries (UEFI specification, 3.1.3
and 3.3). A variable's file has 4 bytes of attributes before its value."""

from __future__ import annotations

import struct
from pathlib import Path

from agent.parsing import clean

VARIABLES = "sys/firmware/efi/efivars"
_GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
_ATTRIBUTES = 4
# An entry has a name and a device path; more than this is none.
_MOST_BYTES, _MOST_ENTRIES, _NAME_CHARS = 16 * 1024, 64, 64
_ACTIVE, _APPLICATION = 1, 0x1F00
# Device paths of messaging devices on USB (10.3.4): USB, USB class, USB WWID.
_MESSAGING, _ON_USB, _END = 3, (5, 15, 16), 0x7F


def secure_boot(root: Path) -> bool | None:
    """None if the variable was not read."""
    value = _variable(root, "SecureBoot")
    return value[0] == 1 if value else None


def order(root: Path) -> list[str] | None:
    """The names of the entries, the first one first. Left out are entries that are switched off, the firmware's own
    programs, and devices on USB, which come and go. An entry that is in the order and does not exist is
    `Boot0003 (missing)`. None if the order or an entry of it was not read."""
    value = _variable(root, "BootOrder")
    if value is None:
        return None
    numbers = struct.unpack(f"<{len(value) // 2}H", value[: len(value) // 2 * 2])[:_MOST_ENTRIES]
    names = [_name_of(root, f"Boot{number:04X}") for number in numbers]
    return None if None in names else [name for name in names if name]


def _name_of(root: Path, variable: str) -> str | None:
    """None if the entry was not read."""
    if not _path(root, variable).exists():
        return f"{variable} (missing)"
    entry = _variable(root, variable)
    return None if entry is None else _name(entry)


def _name(entry: bytes) -> str:
    """The name of a load option that is tried at each start; empty for others."""
    if len(entry) < 8:
        return ""
    attributes, path_bytes = struct.unpack_from("<IH", entry)
    words = entry[6:]
    end = next((at for at in range(0, len(words) - 1, 2) if words[at : at + 2] == b"\0\0"), len(words))
    if not attributes & _ACTIVE or attributes & _APPLICATION or _is_on_usb(words[end + 2 : end + 2 + path_bytes]):
        return ""
    return clean(words[:end].decode("utf-16-le", errors="replace"))[:_NAME_CHARS].strip()


def _is_on_usb(path: bytes) -> bool:
    at = 0
    while at + 4 <= len(path):
        kind, sub, length = struct.unpack_from("<BBH", path, at)
        if kind == _MESSAGING and sub in _ON_USB:
            return True
        if kind == _END or length < 4:
            return False
        at += length
    return False


def _path(root: Path, name: str) -> Path:
    return root / VARIABLES / f"{name}-{_GLOBAL}"


def _variable(root: Path, name: str) -> bytes | None:
    try:
        with _path(root, name).open("rb") as stream:
            content = stream.read(_MOST_BYTES)
    except OSError:
        return None
    return content[_ATTRIBUTES:] if len(content) > _ATTRIBUTES else None
