"""Which processors belong to which CPU package, so that a wrong result can be blamed on a socket."""

from __future__ import annotations

import os
from pathlib import Path


def processors_by_package(root: Path = Path("/")) -> dict[int, list[int]]:
    """Package number → its processors that are online and that this process may use."""
    found: dict[int, list[int]] = {}
    for number in sorted(os.sched_getaffinity(0)):
        path = root / f"sys/devices/system/cpu/cpu{number}/topology/physical_package_id"
        try:
            package = max(0, int(path.read_text()))
        except (OSError, ValueError):
            package = 0
        found.setdefault(package, []).append(number)
    return found
