"""How much of the installed memory the kernel must see, for the comparison and for adopting. Pure.

Firmware and kernel keep a share. If more is missing, a module was not mapped, or memory is hidden on purpose: mirrored,
kept as spare, or taken by SGX. The firmware's list of modules looks the same in each case, so a person decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

# The share of the installed memory that firmware, graphics and the crash kernel may keep. Canonical's Checkbox allows
# 25 % up to 2 GiB and 10 % above 16 GiB; in between we interpolate.
_KEPT_SMALL, _KEPT_LARGE = 0.25, 0.10
_SMALL_MB, _LARGE_MB = 2048, 16384
# A finer rule if the firmware lists the modules: the kernel's page map takes 64 bytes per 4 KiB (1.6 %), firmware and
# live image some hundred MiB. If more is missing, and as much as a module has, a listed module was not mapped.
_MAP_SHARE, _MAP_MB = 0.025, 1024


def is_short(due_mb: int, seen_mb: int) -> bool:
    """Whether the kernel sees less than it should by the share that may be kept. False if its sum was not read."""
    along = min(max((due_mb - _SMALL_MB) / (_LARGE_MB - _SMALL_MB), 0.0), 1.0)
    kept = _KEPT_SMALL + along * (_KEPT_LARGE - _KEPT_SMALL)
    return 0 < seen_mb < due_mb * (1 - kept)


def lacks_a_module(due_mb: int, seen_mb: int, sizes_mb: Iterable[int]) -> bool:
    """Whether as much is missing as one of these modules has, less its own share of the page map."""
    sizes = [size for size in sizes_mb if size > 0]
    short_mb = due_mb - seen_mb
    is_module = bool(sizes) and short_mb >= min(sizes) * (1 - _MAP_SHARE)
    return seen_mb > 0 and is_module and short_mb > _MAP_SHARE * due_mb + _MAP_MB


def to_expect_mb(memory: Mapping[str, Any]) -> int:
    """The total to adopt of an inventory's memory: what is installed, or what the kernel sees if that is too little."""
    seen_mb, installed_mb = memory.get("total_mb") or 0, memory.get("installed_mb") or 0
    is_hidden = is_short(installed_mb, seen_mb) or lacks_a_module(installed_mb, seen_mb, _sizes_mb(memory))
    return seen_mb if is_hidden or not installed_mb else installed_mb


def newly_hidden(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None, memory: Mapping[str, Any]
) -> tuple[int, int] | None:
    """What the kernel sees and what is installed, in MiB, if the second spec expects only what the kernel sees and the
    first one did not."""
    old, new = (((spec or {}).get("memory") or {}).get("total_mb") for spec in (before, after))
    seen_mb, installed_mb = to_expect_mb(memory), memory.get("installed_mb") or 0
    return (seen_mb, installed_mb) if old != new == seen_mb < installed_mb else None


def in_words(hidden: tuple[int, int] | None) -> list[str]:
    """The sentence about `newly_hidden`, if there is any."""
    if hidden is None:
        return []
    seen_mb, installed_mb = hidden
    return [
        f"Of {installed_mb} MiB of memory the kernel sees {seen_mb}, and only these are expected: memory is mirrored, "
        "kept as spare or taken by SGX, or a module was not mapped. If nobody set it so, look at the modules."
    ]


def _sizes_mb(memory: Mapping[str, Any]) -> list[int]:
    dimms = memory.get("dimms") or []
    return [(dimm.get("size_mb") or 0) if dimm.get("ram_mb") is None else dimm["ram_mb"] for dimm in dimms]
