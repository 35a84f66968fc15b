"""An ext4 file system over the whole disk, made by mkfs itself."""

from __future__ import annotations

from pathlib import Path

from tests.rack.content.place import IDENTITY
from tests.rack.netns import run_tool

LABEL = "guests"


def write(image: Path) -> None:
    run_tool("mkfs.ext4", "-q", "-F", "-L", LABEL, "-U", str(IDENTITY), str(image))
