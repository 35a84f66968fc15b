"""Worlds for the safety decision, drawn with every gate open and then spoilt in a few things: of fields drawn each for
itself hardly any world has a disk that may be written. With what must hold in each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from random import Random
from typing import Any

from agent.contract import wire
from agent.disk_writes import safety
from agent.disk_writes.safety import Begun, Circumstances, DiskFacts, Found, WipeReport, WriteGrant
from agent.parsing import is_dummy
from agent.probes.drives.disks import same_wwn
from tests.agent_stages.worlds import NOW

World = dict[str, Any]
Values = Callable[[Random], Any]

# Few values, so that collisions, twins and near misses are common.
NAMES = ["sda", "sdb", "sdc", "sdd", "sde", "sdf", "sdg"]
SERIALS = ["A1", "B2", "C3", "", "None", "0123456789", "0000", "a1", "A1 "]
WWNS = ["", "0x5000c500aaaaaaaa", "naa.5000c500aaaaaaaa", "0x5000c500bbbbbbbb", "0x0"]
SIZES = [0, 100, 200]
IDENTITIES = [("A1", "0x5000c500aaaaaaaa"), ("B2", "naa.5000c500bbbbbbbb"), ("C3", "")]


def _of(*values: Any) -> Values:
    return lambda rng: rng.choice(values)


def _places(rng: Random) -> tuple[tuple[int, int], ...]:
    return tuple((rng.randint(0, 300), rng.randint(1, 100)) for _ in range(rng.randint(0, 2)))


def _found(rng: Random) -> tuple[Found, ...]:
    return tuple(
        Found(
            rng.choice(["disk", "partition 1"]), rng.choice(["lvm", safety.UNKNOWN_DATA, safety.UNKNOWN_DATA]),
            rng.choice(["", "pve"]), "words", _places(rng),
        )
        for _ in range(rng.randint(0, 2))
    )  # fmt: skip


# What can be wrong: part of the world → field → values that it is spoilt with. Some of them leave a gate open.
WRONG: dict[str, dict[str, Values]] = {
    "now": {
        "mode": _of(wire.Mode.HOLD), "stage": _of("Burn"), "attempt": _of(99), "stage_writes": _of(False),
        "write_mode": _of(False), "destructive_allowed": _of(False), "in_image": _of(False),
        "last_continue_age_s": _of(14.9, 15.0, 60.0, float("inf"), float("nan"), -5.0),
    },
    "disks": {
        "serial": _of(*SERIALS), "wwn": _of(*WWNS), "bus": _of("usb", "nvme"), "size_mb": _of(*SIZES),
        "removable": _of(True),
    },
    "allowed": {
        "serial": _of(*SERIALS), "wwn": _of(*WWNS), "bus": _of("", "usb", "nvme"), "size_mb": _of(*SIZES),
        "may_be_written": _of(False),
    },
    "probes": {"found": _found},
    "overrides": {
        "run": _of(99), "boot": _of(99), "stage": _of("Burn"), "attempt": _of(99), "serial": _of(*SERIALS),
        "digest": _of(safety.digest("A1", ())),
    },
    "begun": {
        "run": _of(99), "boot": _of(99), "attempt": _of(99), "found": _found, "ranges": _places, "blanked": _places,
        "wwn": _of(*WWNS), "size_mb": _of(*SIZES),
    },
}  # fmt: skip
FIELDS = [(part, field) for part, fields in WRONG.items() for field in fields]


def a_world(rng: Random) -> World:
    """What `decide` is asked: up to three disks that may all be written, and none, one or several things spoilt."""
    world: World = {"disks": [], "allowed": [], "probes": {}, "now": NOW, "overrides": [], "begun": {}}
    for name, (serial, wwn) in zip(NAMES, IDENTITIES[: rng.randint(1, 3)], strict=False):
        disk = DiskFacts(name, serial, wwn, "sata", rng.choice([100, 200]))
        world["disks"].append(disk)
        given_bus, given_size = rng.choice(["", "sata"]), rng.choice([0, disk.size_mb])
        world["allowed"].append(wire.AllowedDisk(serial, rng.choice(["", wwn]), given_bus, given_size, True))
        _open_gate_3(rng, world, disk)
    for _ in range(rng.choice([0, 1, 1, 1, 2, 2, 3])):
        _spoil(rng, world)
    return world


def _open_gate_3(rng: Random, world: World, disk: DiskFacts) -> None:
    """The disk is blank, or what is on it was overridden, or was there or is ours in an attempt that goes on."""
    how = rng.choice(["blank", "overridden", "was there", "ours"])
    found = () if how == "blank" else _found(rng)
    world["probes"][disk.name] = WipeReport(found)
    if how == "overridden":
        seen = safety.digest(disk.serial, found)
        world["overrides"].append(wire.OverrideFlags(NOW.run, NOW.boot, "Storage", NOW.attempt, disk.serial, seen))
    if how in ("was there", "ours"):
        known = found if how == "was there" else tuple(one for one in found if one.kind != safety.UNKNOWN_DATA)
        ours = tuple(place for one in found for place in one.ranges)
        size = rng.choice([0, disk.size_mb])
        world["begun"][disk.serial] = Begun(NOW.run, NOW.boot, NOW.attempt, known, ours, (), disk.wwn, size)


def _spoil(rng: Random, world: World) -> None:
    """Change one field of one thing; or leave a thing out, add its near twin, or rename a disk and its entry alike."""
    part, field = rng.choice([(part, field) for part, field in FIELDS if world[part]])
    how = rng.choice(["changed"] * 5 + ["missing", "twin", "renamed"])
    held = {"now": world["now"]} if part == "now" else world[part]
    key = rng.choice(list(held) if isinstance(held, dict) else range(len(held)))
    if how == "missing" and part != "now":
        del held[key]
    elif how == "twin" and part in ("disks", "allowed"):
        held.append(_twin(world, _changed(rng, part, field, held[key])))
    elif how == "renamed" and world["disks"] and world["allowed"]:
        serial = rng.choice(SERIALS)
        for one in ("disks", "allowed"):
            world[one][0] = replace(world[one][0], serial=serial)
    else:
        held[key] = _changed(rng, part, field, held[key])
    if part == "now":
        world["now"] = held["now"]


def _changed(rng: Random, part: str, field: str, thing: Any) -> Any:
    return replace(thing, **{field: WRONG[part][field](rng)})


def _twin(world: World, thing: Any) -> Any:
    """The kernel gives no name twice."""
    free = [name for name in NAMES if name not in [disk.name for disk in world["disks"]]]
    return replace(thing, name=free[0]) if isinstance(thing, DiskFacts) else thing


# --- what must hold -----------------------------------------------------------------------------------------------


def check(world: World) -> set[str]:
    """Every property of one world; what it led to, in words. Raises AssertionError."""
    decisions = safety.decide(**world)
    by_name = {disk.name: disk for disk in world["disks"]}
    for grant in (one for one in decisions if isinstance(one, WriteGrant)):
        _every_gate_is_open(world, grant, by_name[grant.name])
        _gate_3_is_open(world, grant, by_name[grant.name])
    _every_disk_has_its_answer(world, decisions)
    happened = _what_happened(decisions)
    assert "gate 3" not in happened or safety.grants(decisions) == []
    return happened


def _every_gate_is_open(world: World, grant: WriteGrant, disk: DiskFacts) -> None:
    now: Circumstances = world["now"]
    assert now.mode is wire.Mode.TEST and now.stage == "Storage" and now.stage_writes and now.write_mode
    assert now.destructive_allowed and now.in_image and 0 <= now.last_continue_age_s < 15
    assert disk.bus != "usb" and not disk.removable
    assert not is_dummy(disk.serial)
    entries = [entry for entry in world["allowed"] if entry.serial.strip() == disk.serial.strip()]
    assert [entry.may_be_written for entry in entries] == [True]
    assert entries[0].bus in ("", disk.bus) and entries[0].size_mb in (0, disk.size_mb)
    assert not entries[0].wwn or same_wwn(entries[0].wwn, disk.wwn)
    assert not any(same_wwn(other.wwn, disk.wwn) for other in world["allowed"] if other is not entries[0])
    assert [other.name for other in world["disks"] if other.serial.strip() == disk.serial.strip()] == [disk.name]
    assert not any(same_wwn(other.wwn, disk.wwn) for other in world["disks"] if other is not disk)
    assert disk.name in world["probes"]
    assert (grant.name, grant.serial, grant.wwn) == (disk.name, disk.serial, disk.wwn)


def _gate_3_is_open(world: World, grant: WriteGrant, disk: DiskFacts) -> None:
    """Whatever was found is granted only by an exact override, or as known or our own in an attempt that goes on."""
    now, found = world["now"], world["probes"][disk.name].found
    if not grant.resumed:
        seen = safety.digest(disk.serial, found)
        exact = wire.OverrideFlags(now.run, now.boot, "Storage", now.attempt, disk.serial, seen)
        assert not found or exact in world["overrides"]
        return
    note: Begun = world["begun"][disk.serial]
    assert (note.run, note.boot, note.attempt) == (now.run, now.boot, now.attempt)
    assert not note.size_mb or (note.wwn, note.size_mb) == (disk.wwn, disk.size_mb)
    known = [one.signature() for one in note.found]
    data = [place for one in note.found if one.kind == safety.UNKNOWN_DATA for place in one.ranges]
    ours, blanked = _bytes([*note.ranges, *data]), _bytes(note.blanked)
    for one in found:
        assert not _bytes(one.ranges) & blanked
        is_ours = one.kind == safety.UNKNOWN_DATA and one.ranges and _bytes(one.ranges) <= ours
        assert one.signature() in known or is_ours


def _bytes(places: Iterable[tuple[int, int]]) -> set[int]:
    return {byte for at, length in places for byte in range(at, at + length)}


def _every_disk_has_its_answer(world: World, decisions: list[WriteGrant | wire.Refusal]) -> None:
    for disk in world["disks"]:
        name = disk.serial or disk.name
        assert [one for one in decisions if getattr(one, "name", name) == disk.name or one.serial == name]
    for refusal in safety.refusals(decisions):
        assert refusal.gate in (2, 3, 4, 5)
        assert refusal.reason.startswith(f"gate {refusal.gate}: ")


def _what_happened(decisions: list[WriteGrant | wire.Refusal]) -> set[str]:
    given = [one for one in decisions if isinstance(one, WriteGrant)]
    gates = {one.gate for one in safety.refusals(decisions)}
    happened = {f"gate {gate}" for gate in gates} | {_kind(grant) for grant in given}
    return happened | ({"gate 3 beside a grant"} if 3 in gates and given else set())


def _kind(grant: WriteGrant) -> str:
    return "resumed" if grant.resumed else "overridden" if grant.found else "blank"
