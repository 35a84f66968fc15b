"""A Ceph OSD: BlueStore's label, a line of text with the OSD's id at the start of the device."""

from __future__ import annotations

from pathlib import Path

from tests.rack.content.place import IDENTITY, write_at

LABEL_BYTES = 4096


def write(image: Path) -> None:
    label = f"bluestore block device\n{IDENTITY}\n".encode()
    write_at(image, 0, label.ljust(LABEL_BYTES, b"\0"))
