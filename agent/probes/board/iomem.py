"""Which physical addresses the kernel uses as RAM (/proc/iomem)."""

from __future__ import annotations

import re
from pathlib import Path

from agent.parsing import ParseError

Range = tuple[int, int]
"""First address, and the first address after it."""
# Only lines without indentation: what lies inside of RAM (the kernel's code) is indented.
_RAM = re.compile(r"^([0-9a-f]{1,16})-([0-9a-f]{1,16}) : System RAM$", re.MULTILINE)


def read(root: Path = Path("/")) -> str:
    return (root / "proc/iomem").read_text(errors="replace")


def system_ram(text: str) -> list[Range]:
    """The ranges of RAM, in order. Raises ParseError if there is none. Without CAP_SYS_ADMIN the kernel prints each
    address as 0."""
    found = [(int(first, 16), int(last, 16) + 1) for first, last in _RAM.findall(text)]
    found = sorted((start, end) for start, end in found if end > 1 and start < end)
    if not found:
        raise ParseError("/proc/iomem lists no addresses of RAM")
    return found
