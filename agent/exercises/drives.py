"""The drives to ask for their health: the kernel's disks, and those behind the volumes of a RAID controller."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from agent.contract import wire
from agent.exercises.drive_self_tests import TOPIC, Drive, not_offered
from agent.parsing import ParseError
from agent.probes.drives import bays, emmc, raid
from agent.probes.drives.bays import Bay
from agent.probes.drives.raid import Volume
from agent.probes.smart import smartctl
from agent.reports import checks
from agent.reports.partial_report import PartialReport

# Up to this many bays with the same trouble are listed one by one, more of them together.
_TOLD_SINGLY = 4


@dataclass
class Drives:
    """`volumes` are checks about each RAID volume and each exchanged disk, and about each bay behind a volume whose
    drive can't be judged. `broken` says of each volume that has lost a drive what its driver calls it. `numbers` is how
    many drives are behind the volumes. `cards` are checks about eMMCs and SD cards, which have no self-test."""

    drives: list[Drive] = field(default_factory=list)
    volumes: list[wire.Check] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)
    cards: list[wire.Check] = field(default_factory=list)


def of(inventoried: list[wire.Disk], root: Path = Path("/")) -> Drives:
    """The drives behind these disks. Each RAID volume is replaced by the drives behind its controller."""
    exchanged = checks.exchanged(inventoried, "health", root / "sys/block")
    disks = [disk for disk in inventoried if disk.name not in exchanged]
    known = {disk.name: raid.volume(disk.name, root, disk.model) for disk in disks}
    arrays = [(disk, array) for disk in disks if (array := known[disk.name])]
    cards = [disk for disk in disks if emmc.is_card(disk.name)]
    plain = [drive_of(disk) for disk in disks if not known[disk.name] and disk not in cards]
    found = bays.behind(raid.controllers((array for _, array in arrays), root), root)
    behind = {bay.serial: Drive(bay.device, bay.label, bay.serial) for bay in found.bays if bay.serial}
    for drive in plain:
        behind.pop(drive.name, None)
    # A dead drive is no longer listed. The comparison with the last good run finds that there are fewer.
    numbers = {
        f"raid_drives.{checks.disk_name(disk)}": float(there)
        for disk, array in arrays
        if (there := _drive_count(array, found))
    }
    volumes = [_volume(checks.disk_name(disk), array, found) for disk, array in arrays]
    broken = {checks.disk_name(disk): words for disk, array in arrays if (words := _broken(array, root))}
    untested = [not_offered(drive_of(disk), "an eMMC or SD card has no self-test") for disk in cards]
    named = [*exchanged.values(), *volumes, *_silent(found.bays)]
    return Drives([*plain, *behind.values()], named, broken, numbers, untested)


def _broken(array: Volume, root: Path) -> str:
    """Empty for a volume that is whole, also while it is rebuilt, and where the driver says nothing."""
    said = raid.state(array.name, root)
    return f"{array.told}: its driver calls it {said}" if said in ("degraded", "offline") else ""


def drive_of(disk: wire.Disk) -> Drive:
    return Drive(smartctl.of_disk(disk.name), disk.name, checks.disk_name(disk))


def _answering(array: Volume, found: bays.Found) -> list[Bay]:
    """The drives behind the volume's own controller. Those of another controller say nothing about it."""
    return [bay for bay in found.bays if bay.host == array.host and bay.serial]


def _drive_count(array: Volume, found: bays.Found) -> int:
    """How many drives are behind the volume's controller: those that answer, and those that hang or do not identify
    themselves. 0 if unknown."""
    own = [bay for bay in found.bays if bay.host == array.host]
    silent = [bay for bay in own if bay.trouble]
    known = _answering(array, found) and not _same_trouble(silent)
    return len(_answering(array, found)) + len(silent) if known else 0


def _volume(name: str, array: Volume, found: bays.Found) -> wire.Check:
    """The check about a volume, always not tested. It is required if no drive behind the volume could be asked
    instead."""
    if own := _answering(array, found):
        many = f"{len(own)} drives of its controller are" if len(own) > 1 else "1 drive of its controller is"
        return checks.not_tested("volume_health", name, reason=f"{array.told}: {many} asked ({_ways(own)})")
    why = "no drive behind it answers smartctl" if array.kind.reach else "the drives behind it can't be asked from here"
    why = found.unknown.get(array.host, "") or why if array.host is not None else why
    reason = f"{array.told}: {why}; the maker's tool can ask them ({array.kind.tool})"
    return checks.not_tested("health", name, reason=reason, topic="smart")


def _ways(own: list[Bay]) -> str:
    """`cciss,0 to 3, cciss,20`: the numbers that answered, so that a missing one between them is visible."""
    names = [bay.device.device_type or bay.label for bay in own]
    stems = [(name.rstrip("0123456789"), name) for name in dict.fromkeys(names)]
    told = []
    for stem, group in groupby(stems, key=lambda pair: pair[0]):
        numbers = sorted(int(name[len(stem) :][:9] or 0) for _, name in group)
        told += [f"{stem}{first}" if first == last else f"{stem}{first} to {last}" for first, last in _runs(numbers)]
    return ", ".join(told)


def _runs(numbers: list[int]) -> list[tuple[int, int]]:
    """Consecutive numbers, as the first and the last of them."""
    groups = groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])
    runs = [[number for _, number in group] for _, group in groups]
    return [(run[0], run[-1]) for run in runs]


def _silent(places: Iterable[Bay]) -> list[wire.Check]:
    """Checks that name each bay whose drive can't be judged. Many numbers that may be empty share one sentence."""
    troubled = [bay for bay in places if bay.trouble]
    many = _same_trouble(troubled)
    singly = [bay for bay in troubled if bay.listed or (bay.host, bay.trouble) not in many]
    together = [[bay for bay in troubled if (bay.host, bay.trouble) == key and not bay.listed] for key in sorted(many)]
    return [_unanswered(bay.label, bay) for bay in singly] + [
        _unanswered(f"{_ways(group)} of {group[0].device.path.removeprefix('/dev/')}", group[0]) for group in together
    ]


def _same_trouble(troubled: Iterable[Bay]) -> set[tuple[int, str]]:
    """Host and trouble of many numbers that have the same trouble and may be empty."""
    alike = Counter((bay.host, bay.trouble) for bay in troubled if not bay.listed)
    return {key for key, count in alike.items() if count > _TOLD_SINGLY}


def _unanswered(label: str, bay: Bay) -> wire.Check:
    listed = "the controller lists this drive, and " if bay.listed else ""
    return checks.not_tested("health", label, reason=f"{label}: {listed}{bay.trouble}", topic="smart")


def ask(drive: Drive, report: PartialReport) -> smartctl.Smart | None:
    """Read a drive once. The answer may lack a health status. A drive that can't be asked leaves checks that say why; a
    later reading replaces them."""
    report.checks = [check for check in report.checks if check.name != "health"]
    done = smartctl.run(drive.device)
    report.evidence[f"smartctl.{drive.name}"] = done.stdout
    try:
        smart = smartctl.parse(done.stdout)
        trouble = _of_another(smart, drive) if done.ended else done.trouble
    except ParseError as error:
        smart, trouble = None, done.trouble_or(error)
    if trouble:
        report.checks.append(checks.not_tested("health", drive.name, reason=f"{drive.label}: {trouble}", topic=TOPIC))
        return None
    return smart


def _of_another(smart: smartctl.Smart, drive: Drive) -> str:
    is_another = smartctl.is_of_another(smart, drive.device, drive.name)
    return f"{smart.serial} answers in its place: the controller has numbered its drives anew" if is_another else ""
