"""What no combination of facts, lists and flags may ever lead to."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from agent import safety, wire
from agent.probes.parsing import is_dummy
from agent.safety import Begun, Circumstances, DiskFacts, Found, WipeReport, WriteGrant

# Few values, so that collisions, twins and near misses are common.
SERIALS = st.sampled_from(["A1", "B2", "C3", "", "None", "0123456789", "0000", "a1", "A1 "])
WWNS = st.sampled_from(["", "0x5000c500aaaaaaaa", "naa.5000c500aaaaaaaa", "0x5000c500bbbbbbbb", "0x0"])
BUSES = st.sampled_from(["sata", "nvme", "usb"])
SIZES = st.sampled_from([0, 100, 200])
NAMES = ["sda", "sdb", "sdc"]
FOUND = st.builds(
    Found,
    st.sampled_from(["disk", "partition 1"]),
    st.sampled_from(["lvm", "unreadable", "not_probed", safety.UNKNOWN_DATA]),
    st.sampled_from(["", "pve"]),
    st.just("words"),
    st.lists(st.tuples(st.integers(0, 300), st.integers(1, 100)), max_size=2).map(tuple),
)
DISKS = st.lists(st.builds(DiskFacts, st.none(), SERIALS, WWNS, BUSES, SIZES, st.booleans()), max_size=3).map(
    lambda disks: [DiskFacts(name, *list(vars(disk).values())[1:]) for name, disk in zip(NAMES, disks, strict=False)]
)
ALLOWED = st.lists(st.builds(wire.AllowedDisk, SERIALS, WWNS, BUSES, SIZES, st.booleans()), max_size=3)
PROBES = st.dictionaries(st.sampled_from(NAMES), st.builds(WipeReport, st.lists(FOUND, max_size=2).map(tuple)))
NOW = st.builds(
    Circumstances,
    st.sampled_from(list(wire.Mode)), st.just(1), st.just(1), st.sampled_from(["Storage", "Burn"]),
    st.sampled_from([1, 2]),
    st.booleans(), st.booleans(), st.booleans(), st.booleans(),
    st.sampled_from([0.0, 14.9, 15.0, 60.0, float("inf"), float("nan"), -5.0]),
)  # fmt: skip
BEGUN = st.dictionaries(
    SERIALS,
    st.builds(
        Begun, st.just(1), st.sampled_from([1, 2]), st.sampled_from([1, 2]), st.lists(FOUND, max_size=2).map(tuple),
        st.lists(st.tuples(st.integers(0, 100), st.integers(1, 300)), max_size=2).map(tuple),
    ),
)  # fmt: skip


@st.composite
def worlds(draw: st.DrawFn) -> dict[str, object]:
    """Overrides are drawn among right and wrong ones for what was found."""
    probes = draw(PROBES)
    digests = [safety.digest(serial, report.found) for report in probes.values() for serial in ("A1", "B2")] or [""]
    overrides = draw(
        st.lists(
            st.builds(
                wire.OverrideFlags, st.just(1), st.sampled_from([1, 2]), st.just("Storage"), st.sampled_from([1, 2]),
                SERIALS, st.sampled_from(digests),
            ),
            max_size=2,
        )
    )  # fmt: skip
    return {
        "disks": draw(DISKS), "allowed": draw(ALLOWED), "probes": probes, "now": draw(NOW), "overrides": overrides,
        "begun": draw(BEGUN),
    }  # fmt: skip


def granted(world: dict) -> list[tuple[WriteGrant, DiskFacts]]:
    by_name = {disk.name: disk for disk in world["disks"]}
    return [(one, by_name[one.name]) for one in safety.decide(**world) if isinstance(one, WriteGrant)]


@settings(max_examples=300)
@given(worlds())
def test_a_grant_means_that_every_gate_was_open(world: dict) -> None:
    now: Circumstances = world["now"]
    for grant, disk in granted(world):
        assert now.mode is wire.Mode.TEST and now.stage == "Storage" and now.stage_writes and now.write_mode
        assert now.destructive_allowed and now.in_image and 0 <= now.last_continue_age_s < 15
        assert disk.bus != "usb" and not disk.removable
        assert not is_dummy(disk.serial)
        entries = [entry for entry in world["allowed"] if entry.serial.strip() == disk.serial.strip()]
        assert [entry.may_be_written for entry in entries] == [True]
        assert entries[0].bus in ("", disk.bus) and entries[0].size_mb in (0, disk.size_mb)
        assert [other.name for other in world["disks"] if other.serial.strip() == disk.serial.strip()] == [disk.name]
        assert disk.name in world["probes"]
        assert (grant.name, grant.serial, grant.wwn) == (disk.name, disk.serial, disk.wwn)


@settings(max_examples=300)
@given(worlds())
def test_whatever_was_found_is_granted_only_by_an_exact_override_or_as_our_own(world: dict) -> None:
    now: Circumstances = world["now"]
    for grant, disk in granted(world):
        found = world["probes"][disk.name].found
        if not found:
            continue
        exact = wire.OverrideFlags(1, 1, "Storage", now.attempt, disk.serial, safety.digest(disk.serial, found))
        if not grant.resumed:
            assert exact in world["overrides"]
            continue
        note: Begun = world["begun"][disk.serial]
        assert (note.boot, note.attempt) == (1, now.attempt)
        foreign = [one for one in found if one.kind != safety.UNKNOWN_DATA]
        assert all(one.signature() in [known.signature() for known in note.found] for one in foreign)


@settings(max_examples=120)
@given(worlds())
def test_every_disk_that_is_seen_gets_one_answer_and_refusals_say_their_gate(world: dict) -> None:
    decisions = safety.decide(**world)
    for disk in world["disks"]:
        name = disk.serial or disk.name
        assert [one for one in decisions if getattr(one, "name", name) == disk.name or one.serial == name]
    for refusal in safety.refusals(decisions):
        assert refusal.gate in (2, 3, 4, 5)
        assert refusal.reason.startswith(f"gate {refusal.gate}: ")


@settings(max_examples=120)
@given(worlds())
def test_nothing_is_written_while_any_disk_waits_for_an_override(world: dict) -> None:
    decisions = safety.decide(**world)
    if any(isinstance(one, wire.Refusal) and one.gate == 3 for one in decisions):
        assert safety.grants(decisions) == []


@settings(max_examples=60)
@given(worlds())
def test_the_decision_is_a_function_of_its_data(world: dict) -> None:
    assert safety.decide(**world) == safety.decide(**world)
