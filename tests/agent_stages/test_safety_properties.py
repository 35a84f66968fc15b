"""What no combination of facts, lists and flags may ever lead to. Worlds are drawn with every gate open, and then a few
things in them are spoilt: of fields drawn each for itself hardly any world has a disk that may be written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agent import safety, wire
from agent.probes.disks import same_wwn
from agent.probes.parsing import is_dummy
from agent.safety import Begun, Circumstances, DiskFacts, Found, WipeReport, WriteGrant
from tests.agent_stages.worlds import NOW

World = dict[str, Any]

# Few values, so that collisions, twins and near misses are common.
NAMES = ["sda", "sdb", "sdc", "sdd", "sde", "sdf", "sdg"]
SERIALS = st.sampled_from(["A1", "B2", "C3", "", "None", "0123456789", "0000", "a1", "A1 "])
WWNS = st.sampled_from(["", "0x5000c500aaaaaaaa", "naa.5000c500aaaaaaaa", "0x5000c500bbbbbbbb", "0x0"])
SIZES = st.sampled_from([0, 100, 200])
IDENTITIES = [("A1", "0x5000c500aaaaaaaa"), ("B2", "naa.5000c500bbbbbbbb"), ("C3", "")]
PLACES = st.lists(st.tuples(st.integers(0, 300), st.integers(1, 100)), max_size=2).map(tuple)
FOUND = st.builds(
    Found,
    st.sampled_from(["disk", "partition 1"]),
    st.sampled_from(["lvm", safety.UNKNOWN_DATA, safety.UNKNOWN_DATA]),
    st.sampled_from(["", "pve"]),
    st.just("words"),
    PLACES,
)
FOUNDS = st.lists(FOUND, max_size=2).map(tuple)
OTHER_NUMBER, OFF = st.just(99), st.just(False)
# What can be wrong: part of the world → field → values that it is spoilt with. Some of them leave a gate open.
WRONG: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "now": {
        "mode": st.just(wire.Mode.HOLD),
        "stage": st.just("Burn"), "attempt": OTHER_NUMBER, "stage_writes": OFF, "write_mode": OFF,
        "destructive_allowed": OFF, "in_image": OFF,
        "last_continue_age_s": st.sampled_from([14.9, 15.0, 60.0, float("inf"), float("nan"), -5.0]),
    },
    "disks": {
        "serial": SERIALS, "wwn": WWNS, "bus": st.sampled_from(["usb", "nvme"]), "size_mb": SIZES,
        "removable": st.just(True),
    },
    "allowed": {
        "serial": SERIALS, "wwn": WWNS, "bus": st.sampled_from(["", "usb", "nvme"]), "size_mb": SIZES,
        "may_be_written": OFF,
    },
    "probes": {"found": FOUNDS},
    "overrides": {
        "run": OTHER_NUMBER, "boot": OTHER_NUMBER, "stage": st.just("Burn"), "attempt": OTHER_NUMBER,
        "serial": SERIALS, "digest": st.just(safety.digest("A1", ())),
    },
    "begun": {
        "run": OTHER_NUMBER, "boot": OTHER_NUMBER, "attempt": OTHER_NUMBER, "found": FOUNDS, "ranges": PLACES,
    },
}  # fmt: skip
FIELDS = [(part, field) for part, fields in WRONG.items() for field in fields]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """What `decide` is asked: up to three disks that may all be written, and none, one or several things spoilt."""
    world: World = {"disks": [], "allowed": [], "probes": {}, "now": NOW, "overrides": [], "begun": {}}
    for name, (serial, wwn) in zip(NAMES, IDENTITIES[: draw(st.integers(1, 3))], strict=False):
        disk = DiskFacts(name, serial, wwn, "sata", draw(st.sampled_from([100, 200])))
        world["disks"].append(disk)
        given_bus, given_size = draw(st.sampled_from(["", "sata"])), draw(st.sampled_from([0, disk.size_mb]))
        world["allowed"].append(wire.AllowedDisk(serial, draw(st.sampled_from(["", wwn])), given_bus, given_size, True))
        _open_gate_3(draw, world, disk)
    for _ in range(draw(st.sampled_from([0, 1, 1, 1, 2, 2, 3]))):
        _spoil(draw, world)
    return world


def _open_gate_3(draw: st.DrawFn, world: World, disk: DiskFacts) -> None:
    """The disk is blank, or what is on it was overridden, or was there or is ours in an attempt that goes on."""
    how = draw(st.sampled_from(["blank", "overridden", "was there", "ours"]))
    found = () if how == "blank" else draw(FOUNDS)
    world["probes"][disk.name] = WipeReport(found)
    if how == "overridden":
        seen = safety.digest(disk.serial, found)
        world["overrides"].append(wire.OverrideFlags(NOW.run, NOW.boot, "Storage", NOW.attempt, disk.serial, seen))
    if how in ("was there", "ours"):
        known = found if how == "was there" else tuple(one for one in found if one.kind != safety.UNKNOWN_DATA)
        ours = tuple(place for one in found for place in one.ranges)
        world["begun"][disk.serial] = Begun(NOW.run, NOW.boot, NOW.attempt, known, ours)


def _spoil(draw: st.DrawFn, world: World) -> None:
    """Change one field of one thing; or leave a thing out, add its near twin, or rename a disk and its entry alike."""
    part, field = draw(st.sampled_from([(part, field) for part, field in FIELDS if world[part]]))
    how = draw(st.sampled_from(["changed"] * 5 + ["missing", "twin", "renamed"]))
    held = {"now": world["now"]} if part == "now" else world[part]
    key = draw(st.sampled_from(list(held) if isinstance(held, dict) else range(len(held))))
    if how == "missing" and part != "now":
        del held[key]
    elif how == "twin" and part in ("disks", "allowed"):
        held.append(_twin(world, _changed(draw, part, field, held[key])))
    elif how == "renamed" and world["disks"] and world["allowed"]:
        serial = draw(SERIALS)
        for one in ("disks", "allowed"):
            world[one][0] = replace(world[one][0], serial=serial)
    else:
        held[key] = _changed(draw, part, field, held[key])
    if part == "now":
        world["now"] = held["now"]


def _changed(draw: st.DrawFn, part: str, field: str, thing: Any) -> Any:
    return replace(thing, **{field: draw(WRONG[part][field])})


def _twin(world: World, thing: Any) -> Any:
    """The kernel gives no name twice."""
    free = [name for name in NAMES if name not in [disk.name for disk in world["disks"]]]
    return replace(thing, name=free[0]) if isinstance(thing, DiskFacts) else thing


def granted(world: World) -> list[tuple[WriteGrant, DiskFacts]]:
    by_name = {disk.name: disk for disk in world["disks"]}
    return [(one, by_name[one.name]) for one in safety.decide(**world) if isinstance(one, WriteGrant)]


def what_happened(world: World) -> set[str]:
    """What a world led to, in the words of `test_what_is_drawn_leads_to_grants_and_to_refusals_by_every_gate`."""
    decisions = safety.decide(**world)
    given_grants = [one for one in decisions if isinstance(one, WriteGrant)]
    gates = {one.gate for one in safety.refusals(decisions)}
    happened = {f"gate {gate}" for gate in gates} | {_kind(grant) for grant in given_grants}
    return happened | ({"gate 3 beside a grant"} if 3 in gates and given_grants else set())


def _kind(grant: WriteGrant) -> str:
    return "resumed" if grant.resumed else "overridden" if grant.found else "blank"


def test_what_is_drawn_leads_to_grants_and_to_refusals_by_every_gate() -> None:
    """Else the properties below would hold of nothing."""
    happened: Counter[str] = Counter()

    @settings(max_examples=300, derandomize=True, database=None)
    @given(worlds())
    def draw(world: World) -> None:
        happened.update(what_happened(world))

    draw()
    wanted = ["gate 2", "gate 3", "gate 4", "gate 5", "blank", "overridden", "resumed", "gate 3 beside a grant"]
    assert {word: happened[word] for word in wanted if happened[word] < 5} == {}


@settings(max_examples=1000)
@given(worlds())
def test_a_grant_means_that_every_gate_was_open(world: World) -> None:
    now: Circumstances = world["now"]
    for grant, disk in granted(world):
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


@settings(max_examples=1000)
@given(worlds())
def test_whatever_was_found_is_granted_only_by_an_exact_override_or_as_our_own(world: World) -> None:
    now: Circumstances = world["now"]
    for grant, disk in granted(world):
        found = world["probes"][disk.name].found
        if not found:
            continue
        seen = safety.digest(disk.serial, found)
        exact = wire.OverrideFlags(now.run, now.boot, "Storage", now.attempt, disk.serial, seen)
        if not grant.resumed:
            assert exact in world["overrides"]
            continue
        note: Begun = world["begun"][disk.serial]
        assert (note.run, note.boot, note.attempt) == (now.run, now.boot, now.attempt)
        known = [one.signature() for one in note.found]
        data = [place for one in note.found if one.kind == safety.UNKNOWN_DATA for place in one.ranges]
        ours = _bytes([*note.ranges, *data])
        for one in (one for one in found if one.signature() not in known):
            assert one.kind == safety.UNKNOWN_DATA and one.ranges and _bytes(one.ranges) <= ours


def _bytes(places: Iterable[tuple[int, int]]) -> set[int]:
    return {byte for at, length in places for byte in range(at, at + length)}


@settings(max_examples=120)
@given(worlds())
def test_every_disk_that_is_seen_gets_one_answer_and_refusals_say_their_gate(world: World) -> None:
    decisions = safety.decide(**world)
    for disk in world["disks"]:
        name = disk.serial or disk.name
        assert [one for one in decisions if getattr(one, "name", name) == disk.name or one.serial == name]
    for refusal in safety.refusals(decisions):
        assert refusal.gate in (2, 3, 4, 5)
        assert refusal.reason.startswith(f"gate {refusal.gate}: ")


@settings(max_examples=1000)
@given(worlds())
def test_nothing_is_written_while_any_disk_waits_for_an_override(world: World) -> None:
    decisions = safety.decide(**world)
    if any(isinstance(one, wire.Refusal) and one.gate == 3 for one in decisions):
        assert safety.grants(decisions) == []


@settings(max_examples=60)
@given(worlds())
def test_the_decision_is_a_function_of_its_data(world: World) -> None:
    assert safety.decide(**world) == safety.decide(**world)
