"""AMD's GPUs as their kernel driver shows them in sysfs. The live image does not contain amdgpu; it is used where it is
installed (Documentation/gpu/amdgpu in the kernel's source)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from agent.host import sysfs

_DRIVER = "amdgpu"
# Newer kernels also count deferred errors: data that is lost and was not used yet (MI300; amdgpu_ras.c).
_COUNT = re.compile(r"^\s*(ue|ce|de):\s*(\d{1,18})\b", re.MULTILINE)
_BAD_PAGE = re.compile(r"^0x[0-9a-fA-F]{1,16}\s*:\s*0x[0-9a-fA-F]{1,16}\s*:\s*([RPF])", re.MULTILINE)


@dataclass(frozen=True)
class AmdGpu:
    """Numbers are None if the card has none: only cards with ECC count errors, summed over all blocks of the chip. A
    block without a count is `trouble`, and then there is no sum. `bad_pages` are retired or wait for it, `unretired`
    could not be retired."""

    memory_mb: int | None
    busy_percent: int | None
    uncorrected: int | None
    corrected: int | None
    trouble: str = ""
    bad_pages: int = 0
    unretired: int = 0


def read(slot: str, root: Path = Path("/")) -> AmdGpu | None:
    """None for a card that this driver does not control."""
    device = root / "sys/bus/pci/devices" / slot
    if not (device / "driver").exists() or (device / "driver").resolve().name != _DRIVER:
        return None
    texts = {path.name: sysfs.text(path) for path in sorted((device / "ras").glob("*_err_count"))}
    counts = {name: parse_errors(text) for name, text in texts.items()}
    # For example "Query currently inaccessible", while the card is reset.
    silent = [name for name, row in counts.items() if "ue" not in row]
    pages = _BAD_PAGE.findall(sysfs.text(device / "ras/gpu_vram_bad_pages")[:1_000_000])
    memory_bytes = sysfs.integer(device / "mem_info_vram_total")
    return AmdGpu(
        memory_mb=None if memory_bytes is None else memory_bytes >> 20,
        busy_percent=sysfs.integer(device / "gpu_busy_percent"),
        uncorrected=None if silent else _total(counts.values(), "ue", "de"),
        corrected=None if silent else _total(counts.values(), "ce"),
        trouble=f"no count in {', '.join(silent[:5])}" if silent else "",
        bad_pages=len(pages),
        unretired=pages.count("F"),
    )


def parse_errors(text: str) -> dict[str, int]:
    """Lines such as `ue: 0` and `ce: 3`."""
    return {word: int(count) for word, count in _COUNT.findall(text)}


def _total(counts: Iterable[dict[str, int]], *words: str) -> int | None:
    known = [row[word] for row in counts for word in words if word in row]
    return sum(known) if known else None
