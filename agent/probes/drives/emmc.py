"""The health that an eMMC reports about itself, from sysfs. It has no SMART, and smartctl does not know it.

PRE_EOL_INFO is the state of its spare blocks, DEVICE_LIFE_TIME_EST the use of its two kinds of cells, in tenths. 0 is
not defined. (JEDEC JESD84-B51, the registers 267 to 269 of EXT_CSD; drivers/mmc/core/mmc.c)"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from agent.host import sysfs

NORMAL, WARNING, URGENT = 1, 2, 3
_NAME = re.compile(r"mmcblk\d+")
_BYTE = re.compile(r"0x([0-9a-fA-F]{2})")
# 0x0B: the estimated lifetime is exceeded.
_LIFETIME_MOST = 0x0B


@dataclass(frozen=True)
class Health:
    """`spare` is NORMAL, WARNING or URGENT, `used_percent` the most that may be used. None for what is not defined.
    `is_use_unread`: what the drive reports as its use has no meaning in the standard."""

    spare: int | None
    used_percent: int | None
    is_use_unread: bool = False


def is_card(name: str) -> bool:
    """Whether this is an eMMC or an SD card."""
    return _NAME.fullmatch(name) is not None


def health(name: str, root: Path = Path("/")) -> Health:
    device = root / "sys/block" / name / "device"
    spare = _bytes(device / "pre_eol_info")
    told = _bytes(device / "life_time")
    lives = [life for life in told if 1 <= life <= _LIFETIME_MOST]
    return Health(
        spare[0] if len(spare) == 1 and NORMAL <= spare[0] <= URGENT else None,
        10 * max(lives) if lives else None,
        is_use_unread=any(life > _LIFETIME_MOST for life in told) or (not told and (device / "life_time").exists()),
    )


def _bytes(path: Path) -> list[int]:
    """All of the file's bytes as the kernel writes them (`0x01 0x02`), or none."""
    words = [_BYTE.fullmatch(word) for word in sysfs.text(path).split()]
    return [int(match[1], 16) for match in words if match] if all(words) else []
