"""Reads the kernel's small files. A file that can't be read gives empty text or None, never an error."""

from __future__ import annotations

from pathlib import Path

from agent.parsing import count


def text(path: Path) -> str:
    """The content without the line end. Empty if the file does not exist or gives no answer now (the speed of a card
    that is down gives EINVAL)."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def integer(path: Path) -> int | None:
    """A count of up to 20 digits. None for any other text."""
    return count(text(path))


def scsi_serial(device: Path) -> str:
    """The serial number in a SCSI device's vital product data page 0x80: 4 bytes of header, then text."""
    try:
        page = (device / "vpd_pg80").read_bytes()
    except OSError:
        return ""
    return page[4:].decode("ascii", errors="replace").strip("\x00 ")
