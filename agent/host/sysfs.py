"""Reading the kernel's small files: what can't be read is no text and no number, never an error."""

from __future__ import annotations

from pathlib import Path

from agent.parsing import count


def text(path: Path) -> str:
    """What the file says, without the line's end; empty where it isn't there or has no answer just now (a card that is
    down has EINVAL for its speed)."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def integer(path: Path) -> int | None:
    """A count of up to 20 digits; None for anything else."""
    return count(text(path))


def scsi_serial(device: Path) -> str:
    """The serial number in a SCSI device's vital product data page 0x80: 4 bytes of header, then text."""
    try:
        page = (device / "vpd_pg80").read_bytes()
    except OSError:
        return ""
    return page[4:].decode("ascii", errors="replace").strip("\x00 ")
