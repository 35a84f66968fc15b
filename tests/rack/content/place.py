"""Writing at a place in an image, and the identity that every made-up structure of this rack has."""

from __future__ import annotations

import uuid
from pathlib import Path

SECTOR_BYTES = 512
IDENTITY = uuid.UUID("5f0b6c2e-7e8b-4c3a-9a55-76657474696e")


def write_at(image: Path, offset: int, content: bytes) -> None:
    """Over what is there; never longer than the image."""
    if offset + len(content) > image.stat().st_size:
        raise ValueError(f"{image.name}: {len(content)} bytes at {offset} would go beyond its end")
    with image.open("r+b") as file:
        file.seek(offset)
        file.write(content)
