"""Which drives there are to ask for their health: the kernel's disks, and those behind the volumes of a controller."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from agent import wire
from agent.probes import raid, smartctl
from agent.probes.parsing import ParseError, is_dummy
from agent.stages import checks
from agent.stages.self_tests import Drive


@dataclass
class Drives:
    """`volumes` are checks that say what became of each RAID volume; `numbers` how many drives are behind them."""

    drives: list[Drive] = field(default_factory=list)
    volumes: list[wire.Check] = field(default_factory=list)
    numbers: dict[str, float] = field(default_factory=dict)


def of(disks: list[wire.Disk]) -> Drives:
    arrays = [disk for disk in disks if raid.is_volume(disk.name)]
    plain = [drive_of(disk) for disk in disks if disk not in arrays]
    if not arrays:
        return Drives(plain)
    behind, silent, why = _behind([disk.name for disk in arrays])
    behind = [drive for drive in behind if drive.name not in {other.name for other in plain}]
    volumes = [*(_volume(disk, len(behind), why) for disk in arrays), *map(_unanswered, silent if behind else [])]
    # A drive that died is no longer listed: that there are fewer than in the last good run tells it.
    numbers = {f"raid_drives.{checks.disk_name(disk)}": float(len(behind)) for disk in arrays if behind}
    return Drives([*plain, *behind], volumes, numbers)


def drive_of(disk: wire.Disk) -> Drive:
    return Drive(smartctl.of_disk(disk.name), disk.name, checks.disk_name(disk))


def _behind(names: list[str]) -> tuple[list[Drive], list[smartctl.Device], str]:
    """The drives that answer with a serial number of their own, those that are listed and don't, or why there are
    none."""
    try:
        ways = raid.ways(names)
    except ParseError as error:
        return [], [], str(error)
    with ThreadPoolExecutor(max_workers=8, thread_name_prefix="raid") as pool:
        serials = list(pool.map(_serial, ways))
    found = {serial: Drive(way, way.way, serial) for way, serial in zip(ways, serials, strict=True) if serial}
    silent = [way for way, serial in zip(ways, serials, strict=True) if not serial and raid.is_listed(way)]
    return list(found.values()), silent, "" if found else "no drive behind it answers smartctl"


def _serial(way: smartctl.Device) -> str:
    try:
        smart = smartctl.parse(smartctl.run(way).stdout)
    except ParseError:
        return ""
    return "" if is_dummy(smart.serial) else smart.serial


def _unanswered(way: smartctl.Device) -> wire.Check:
    why = f"{way.way}: the controller lists this drive, and it gives smartctl no serial number"
    return checks.not_tested("health", way.way, reason=why, topic="smart")


def _volume(disk: wire.Disk, behind: int, why: str) -> wire.Check:
    """Not tested either way. It counts when there was nothing behind it that could be asked instead."""
    name, told = checks.disk_name(disk), f"{disk.name} is a RAID volume"
    if behind:
        return checks.not_tested(
            "volume_health", name, reason=f"{told}: the {behind} drives of its controller are asked"
        )
    return checks.not_tested("health", name, reason=f"{told}: {why}", topic="smart")
