"""How much memory the kernel has, and how much of it a test may take: the smaller of what is free and what the control
group allows."""

from __future__ import annotations

from pathlib import Path

from agent.parsing import ParseError, count

MIB = 1024 * 1024


def read(root: Path = Path("/")) -> str:
    return (root / "proc/meminfo").read_text(errors="replace")


def parse(text: str) -> dict[str, int]:
    """Name → bytes. Raises ParseError without MemTotal and MemAvailable."""
    found = {}
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if words and (value := count(words[0])) is not None:
            found[name] = value * (1024 if len(words) > 1 else 1)
    if "MemTotal" not in found or "MemAvailable" not in found:
        raise ParseError("/proc/meminfo names no MemTotal or no MemAvailable")
    return found


def group_room_bytes(root: Path = Path("/")) -> int | None:
    """How much the tightest control group above us still allows. None without a limit (cgroup v2)."""
    rooms = [room for group in _groups(root) if (room := _room(group)) is not None]
    return min(rooms) if rooms else None


def testable_bytes(
    available_bytes: int, group_bytes: int | None, total_bytes: int, reserve_percent: float, reserve_min_bytes: int
) -> int:
    """How much a memory test may take: the available memory less a reserve of `reserve_percent` of all memory or
    `reserve_min_bytes`, whichever is more. Never negative."""
    reserve = max(int(total_bytes * reserve_percent / 100), reserve_min_bytes)
    room = available_bytes if group_bytes is None else min(available_bytes, group_bytes)
    return max(0, room - reserve)


def _groups(root: Path) -> list[Path]:
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    path = next((line[3:] for line in lines if line.startswith("0::")), "/")
    top = root / "sys/fs/cgroup"
    here = top / path.lstrip("/")
    return [group for group in (here, *here.parents) if group.is_relative_to(top)]


def _room(group: Path) -> int | None:
    try:
        limit = (group / "memory.max").read_text().strip()
        used = int((group / "memory.current").read_text())
    except (OSError, ValueError):
        return None
    return None if limit == "max" else max(0, int(limit) - used)
