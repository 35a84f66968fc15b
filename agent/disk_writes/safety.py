"""Decides what may be written. It is a pure function of data: the disks that are there, what was allowed, what the wipe
probe found, and the circumstances. It returns a grant or a refusal for each disk. Nothing is written without a grant.

The gates (docs/safety.md): 1 the MAC allowlist, 2 the run token (the orchestrator checks both; the agent only sees that
the claim is in mode `test`), 3 the wipe probe, 4 the device allowlist, 5 destructive mode. They are asked in the order
2, 5, 4, 3, since a probe takes long and is useless for a disk that another gate refuses.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from agent.contract import wire
from agent.disk_writes.ranges import Union
from agent.parsing import is_dummy
from agent.probes.drives.disks import same_wwn

HEARTBEAT_FRESH_S = 15.0
STAGE = "Storage"
UNKNOWN_DATA = "unknown_data"


@dataclass(frozen=True)
class DiskFacts:
    """One block device as it is now. `removable` by its bus or by its own report."""

    name: str
    serial: str
    wwn: str
    bus: str
    size_mb: int
    removable: bool = False


@dataclass(frozen=True)
class Found:
    """One thing that the wipe probe found, or one place that it could not read. `ranges` are where it was seen, as
    (offset, length) in bytes from the start of the disk; they are not part of the digest."""

    where: str
    kind: str
    label: str
    words: str
    ranges: tuple[tuple[int, int], ...] = ()

    def signature(self) -> wire.Signature:
        return wire.Signature(self.where, self.kind, self.label, self.words)


@dataclass(frozen=True)
class WipeReport:
    """Everything that one complete probe of a disk found. Empty for a blank disk."""

    found: tuple[Found, ...] = ()


@dataclass(frozen=True)
class Begun:
    """A grant of this very attempt, from before the agent was restarted: what was known of the disk then, the places
    that the agent began to overwrite (`ranges`), and those that it has zeroed again (`blanked`). `wwn` and `size_mb`
    are the disk's at that time; a size of 0 is unknown."""

    run: int
    boot: int
    attempt: int
    found: tuple[Found, ...]
    ranges: tuple[tuple[int, int], ...]
    blanked: tuple[tuple[int, int], ...] = ()
    wwn: str = ""
    size_mb: int = 0


@dataclass(frozen=True)
class Circumstances:
    """The data for gates 2 and 5. `last_continue_age_s` is the time since the last answer to a heartbeat of this
    attempt."""

    mode: wire.Mode
    run: int
    boot: int
    stage: str
    attempt: int
    stage_writes: bool
    write_mode: bool
    destructive_allowed: bool
    in_image: bool
    last_continue_age_s: float


@dataclass(frozen=True)
class WriteGrant:
    """Permission to write to one device. Only `decide` makes it. `found` is the data that will be destroyed."""

    name: str
    serial: str
    wwn: str
    bus: str
    size_mb: int
    found: tuple[Found, ...] = ()
    resumed: bool = False


def decide(
    disks: Sequence[DiskFacts],
    allowed: Sequence[wire.AllowedDisk],
    probes: Mapping[str, WipeReport],
    now: Circumstances,
    overrides: Iterable[wire.OverrideFlags] = (),
    begun: Mapping[str, Begun] | None = None,
) -> list[WriteGrant | wire.Refusal]:
    """A grant or a refusal for every disk that is there, and a refusal for every allowed disk that is not there.
    `probes` is by kernel name; gate 3 refuses a disk without a probe."""
    candidates, refusals = before_probe(disks, allowed, now)
    overrides = list(overrides)
    probed = [
        _gate_3(disk, probes.get(disk.name), now, overrides, (begun or {}).get(disk.serial)) for disk in candidates
    ]
    return [*refusals, *probed]


def before_probe(
    disks: Sequence[DiskFacts], allowed: Sequence[wire.AllowedDisk], now: Circumstances
) -> tuple[list[DiskFacts], list[wire.Refusal]]:
    """The disks that pass all gates but gate 3, and the refusals of those gates."""
    refusals = [
        wire.Refusal(wire.Gate.DEVICES, entry.serial, why) for entry in allowed if (why := _is_not_there(entry, disks))
    ]
    why, gate = _gate_2_or_5(now)
    if gate is not None:
        return [], [*refusals, *(wire.Refusal(gate, _name(disk), why) for disk in disks)]
    candidates = []
    for disk in disks:
        if why := _gate_4(disk, disks, allowed):
            refusals.append(wire.Refusal(wire.Gate.DEVICES, _name(disk), why))
        else:
            candidates.append(disk)
    return candidates, refusals


def grants(decisions: Iterable[WriteGrant | wire.Refusal]) -> list[WriteGrant]:
    """The disks to write: every grant, or none if gate 3 refuses any disk. After an override the attempt is repeated,
    and a disk that was written meanwhile would no longer be as it was listed."""
    decisions = list(decisions)
    if any(isinstance(one, wire.Refusal) and one.gate == wire.Gate.WIPE_PROBE for one in decisions):
        return []
    return [one for one in decisions if isinstance(one, WriteGrant)]


def refusals(decisions: Iterable[WriteGrant | wire.Refusal]) -> list[wire.Refusal]:
    return [one for one in decisions if isinstance(one, wire.Refusal)]


def digest(serial: str, found: Iterable[Found]) -> str:
    """SHA-256 over the disk's serial number and the list as it is shown, in a fixed order."""
    rows = sorted([one.where, one.kind, one.label, one.words] for one in found)
    return hashlib.sha256(json.dumps([serial, rows], ensure_ascii=False).encode()).hexdigest()


def still_fresh(age_s: float) -> bool:
    """The time limit of gate 5, checked again when a device is opened for writing."""
    return 0 <= age_s < HEARTBEAT_FRESH_S


# --- gates 2 and 5 -----------------------------------------------------------------------------------------------


def _gate_2_or_5(now: Circumstances) -> tuple[str, wire.Gate | None]:
    if now.mode is not wire.Mode.TEST:
        return "gate 2: this claim allows a hold and nothing else", wire.Gate.RUN_TOKEN
    reasons = (
        (now.stage == STAGE, f"stage {now.stage} never writes"),
        (now.write_mode and now.stage_writes, "the profile only reads (storage.mode: read)"),
        (now.destructive_allowed, "this host does not allow destructive tests"),
        (now.in_image, "the agent does not run in the live image"),
        (still_fresh(now.last_continue_age_s), _stale(now.last_continue_age_s)),
    )
    missed = next((why for holds, why in reasons if not holds), "")
    return (f"gate 5: {missed}", wire.Gate.DESTRUCTIVE_MODE) if missed else ("", None)


def _stale(age_s: float) -> str:
    return f"the orchestrator last answered {age_s:.0f} s ago, the limit is {HEARTBEAT_FRESH_S:.0f} s"


# --- gate 4 ------------------------------------------------------------------------------------------------------


def _gate_4(disk: DiskFacts, disks: Sequence[DiskFacts], allowed: Sequence[wire.AllowedDisk]) -> str:
    """Why this disk may not be written; '' when it may."""
    if disk.bus == "usb" or disk.removable:
        return f"gate 4: {disk.name} is a USB or removable disk, which is never written"
    if is_dummy(disk.serial):
        return f"gate 4: {disk.name} has no serial number of its own ({disk.serial or 'empty'})"
    entries = [entry for entry in allowed if _strip(entry.serial) == _strip(disk.serial)]
    if not entries:
        return f"gate 4: {disk.name} ({disk.serial}) is not an expected disk"
    if len(entries) > 1:
        return f"gate 4: {disk.serial} stands {len(entries)} times among the expected disks"
    if others := [entry for entry in allowed if entry not in entries and same_wwn(entry.wwn, disk.wwn)]:
        other = others[0].serial or "an entry without serial number"
        return f"gate 4: {disk.name} ({disk.serial}) has WWN {disk.wwn}, which is expected of {other}"
    if entries[0].may_be_written is not True:
        return f"gate 4: {disk.name} ({disk.serial}) may not be written: it is not marked may_be_written"
    return _not_one(disk, disks) or _mismatch(disk, entries[0])


def _not_one(disk: DiskFacts, disks: Sequence[DiskFacts]) -> str:
    """Two devices with the same serial number or the same WWN are both refused, even if other identifiers differ."""
    serials = Counter(_strip(other.serial) for other in disks)
    names = sorted(other.name for other in disks if _strip(other.serial) == _strip(disk.serial))
    if serials[_strip(disk.serial)] > 1:
        return f"gate 4: {' and '.join(names)} both have serial number {disk.serial}"
    twins = [other.name for other in disks if other.name != disk.name and same_wwn(other.wwn, disk.wwn)]
    return f"gate 4: {disk.name} and {twins[0]} both have WWN {disk.wwn}" if twins else ""


def _mismatch(disk: DiskFacts, entry: wire.AllowedDisk) -> str:
    """Every identifier in the expected spec must be this disk's."""
    if entry.wwn and (is_dummy(entry.wwn) or not same_wwn(entry.wwn, disk.wwn)):
        return f"gate 4: {disk.name} ({disk.serial}) has WWN {disk.wwn or 'none'}, expected {entry.wwn}"
    if entry.bus and entry.bus != disk.bus:
        return f"gate 4: {disk.name} ({disk.serial}) is on bus {disk.bus}, expected {entry.bus}"
    if entry.size_mb and entry.size_mb != disk.size_mb:
        return f"gate 4: {disk.name} ({disk.serial}) has {disk.size_mb} MiB, expected {entry.size_mb}"
    return ""


def _is_not_there(entry: wire.AllowedDisk, disks: Sequence[DiskFacts]) -> str:
    """Why an allowed disk has no device. Empty for a disk that has one, and for a disk that is not allowed."""
    if entry.may_be_written is not True:
        return ""
    if is_dummy(entry.serial):
        return "gate 4: a disk without a serial number matches no device"
    there = any(_strip(disk.serial) == _strip(entry.serial) for disk in disks)
    return "" if there else f"gate 4: no device has serial number {entry.serial}"


def _strip(text: str) -> str:
    return text.strip()


def _name(disk: DiskFacts) -> str:
    return disk.serial or disk.name


# --- gate 3 ------------------------------------------------------------------------------------------------------


def _gate_3(
    disk: DiskFacts,
    report: WipeReport | None,
    now: Circumstances,
    overrides: list[wire.OverrideFlags],
    begun: Begun | None,
) -> WriteGrant | wire.Refusal:
    if report is None:
        reason = f"gate 3: {disk.name} ({disk.serial}) was not probed"
        return wire.Refusal(wire.Gate.WIPE_PROBE, disk.serial, reason, [], digest(disk.serial, ()))
    if begun is not None and _continues(disk, report, begun, now):
        return _grant(disk, begun.found, resumed=True)
    seen = digest(disk.serial, report.found)
    if not report.found or _overridden(disk.serial, seen, now, overrides):
        return _grant(disk, report.found)
    words = "; ".join(f"{one.words} ({one.where})" for one in report.found)
    reason = f"gate 3: {disk.name} ({disk.serial}) is not blank: {words}"
    return wire.Refusal(wire.Gate.WIPE_PROBE, disk.serial, reason, [one.signature() for one in report.found], seen)


def _grant(disk: DiskFacts, found: tuple[Found, ...], *, resumed: bool = False) -> WriteGrant:
    return WriteGrant(disk.name, disk.serial, disk.wwn, disk.bus, disk.size_mb, found, resumed)


def _overridden(serial: str, seen: str, now: Circumstances, overrides: list[wire.OverrideFlags]) -> bool:
    """Whether the operator's override names this run, boot, stage, attempt, serial number and digest of the list: all
    of them."""
    wanted = wire.OverrideFlags(now.run, now.boot, STAGE, now.attempt, serial, seen)
    return wanted in overrides


def _continues(disk: DiskFacts, report: WipeReport, begun: Begun, now: Circumstances) -> bool:
    """Whether this is the same attempt, resumed after a restart of the agent. The disk must be the same, it must hold
    nothing but what was listed and what the agent has begun to write since, and what was zeroed must still be zero."""
    if (begun.run, begun.boot, begun.attempt) != (now.run, now.boot, now.attempt):
        return False
    if begun.size_mb and (begun.wwn, begun.size_mb) != (disk.wwn, disk.size_mb):
        return False
    known = {one.signature() for one in begun.found}
    data = [place for one in begun.found if one.kind == UNKNOWN_DATA for place in one.ranges]
    ours, blanked = Union([*begun.ranges, *data]), Union(begun.blanked)
    return all(
        (one.signature() in known or _is_ours(one, ours)) and not any(map(blanked.touches, one.ranges))
        for one in report.found
    )


def _is_ours(one: Found, ours: Union) -> bool:
    return one.kind == UNKNOWN_DATA and bool(one.ranges) and all(map(ours.holds, one.ranges))
