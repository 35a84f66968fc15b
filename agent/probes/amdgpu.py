"""AMD's GPUs as their kernel driver shows them in sysfs. The live image carries no amdgpu: this speaks where the driver
is (Documentation/gpu/amdgpu in the kernel's source)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from agent import sysfs

_DRIVER = "amdgpu"
_COUNT = re.compile(r"^\s*(ue|ce):\s*(\d{1,18})\b", re.MULTILINE)


@dataclass(frozen=True)
class AmdGpu:
    """Numbers are None where the card has none: only those with ECC count errors, over all blocks of the chip."""

    memory_mb: int | None
    busy_percent: int | None
    uncorrected: int | None
    corrected: int | None


def read(slot: str, root: Path = Path("/")) -> AmdGpu | None:
    """None for a card that this driver does not drive."""
    device = root / "sys/bus/pci/devices" / slot
    if not (device / "driver").exists() or (device / "driver").resolve().name != _DRIVER:
        return None
    counts = [parse_errors(sysfs.text(path)) for path in sorted((device / "ras").glob("*_err_count"))]
    memory_bytes = sysfs.integer(device / "mem_info_vram_total")
    return AmdGpu(
        memory_mb=None if memory_bytes is None else memory_bytes >> 20,
        busy_percent=sysfs.integer(device / "gpu_busy_percent"),
        uncorrected=_total(counts, "ue"),
        corrected=_total(counts, "ce"),
    )


def parse_errors(text: str) -> dict[str, int]:
    """Two lines, `ue: 0` and `ce: 3`."""
    return {word: int(count) for word, count in _COUNT.findall(text)}


def _total(counts: list[dict[str, int]], word: str) -> int | None:
    known = [row[word] for row in counts if word in row]
    return sum(known) if known else None
