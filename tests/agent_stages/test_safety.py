"""Every gate by its cases. What no combination may ever do is in test_safety_properties.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agent.contract import wire
from agent.disk_writes import safety
from agent.disk_writes.safety import UNKNOWN_DATA, Found, WipeReport, WriteGrant
from tests.agent_stages.worlds import ALLOWED, BLANK, DISK, LVM, NOW, OTHER, about, begun, judge, override


def gates(decisions: list[Any], serial: str = "SATA-0001") -> list[int]:
    return [one.gate for one in about(serial, decisions) if isinstance(one, wire.Refusal)]


def test_a_blank_allowed_disk_is_granted_and_no_other() -> None:
    decisions = judge()
    assert [one for one in decisions if isinstance(one, WriteGrant)] == [
        WriteGrant("sda", "SATA-0001", "0x5000c50012345678", "sata", 256)
    ]
    assert gates(decisions, "NVME-0001") == [4]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"write_mode": False}, "only reads"),
        ({"stage_writes": False}, "only reads"),
        ({"destructive_allowed": False}, "does not allow destructive"),
        ({"in_image": False}, "live image"),
        ({"last_continue_age_s": 15.0}, "15 s ago"),
        ({"last_continue_age_s": float("inf")}, "inf"),
        ({"last_continue_age_s": float("nan")}, "nan"),
        ({"last_continue_age_s": -1.0}, "-1"),
        ({"stage": "Burn"}, "Burn never writes"),
    ],
)
def test_gate_5_refuses_unless_everything_asks_for_it(change: dict[str, Any], word: str) -> None:
    decisions = judge(now=replace(NOW, **change))
    assert gates(decisions) == [5]
    assert word in about("SATA-0001", decisions)[0].reason


def test_an_answer_just_under_fifteen_seconds_old_is_fresh() -> None:
    assert gates(judge(now=replace(NOW, last_continue_age_s=14.99))) == []


def test_a_claim_that_allows_only_a_hold_is_refused_by_gate_2() -> None:
    assert gates(judge(now=replace(NOW, mode=wire.Mode.HOLD))) == [2]


@pytest.mark.parametrize(
    "serial", ["", " ", "None", "0123456789", "To Be Filled By O.E.M.", "00000000", "FFFFFFFF", "N/A"]
)
def test_a_serial_number_that_names_nothing_matches_nothing(serial: str) -> None:
    disk, entry = replace(DISK, serial=serial), replace(ALLOWED, serial=serial)
    decisions = judge(disks=[disk], allowed=[entry])
    assert not any(isinstance(one, WriteGrant) for one in decisions)
    assert all(one.gate == 4 for one in decisions)


@pytest.mark.parametrize(
    ("entry", "word"),
    [
        (replace(ALLOWED, may_be_written=False), "may_be_written"),
        (replace(ALLOWED, serial="SATA-0002"), "not an expected disk"),
        (replace(ALLOWED, serial="sata-0001"), "not an expected disk"),
        (replace(ALLOWED, wwn="0x5000c50012345679"), "WWN"),
        (replace(ALLOWED, wwn="0x0000000000000000"), "WWN"),
        (replace(ALLOWED, bus="nvme"), "bus"),
        (replace(ALLOWED, size_mb=255), "MiB"),
    ],
)
def test_every_identifier_that_is_given_must_match(entry: wire.AllowedDisk, word: str) -> None:
    decisions = about("SATA-0001", judge(allowed=[entry]))
    refusals = [one for one in decisions if "no device" not in one.reason]
    assert [one.gate for one in refusals] == [4]
    assert word in refusals[0].reason


@pytest.mark.parametrize("wwn", ["5000C50012345678", "naa.5000c50012345678", "0x5000C50012345678", ""])
def test_a_wwn_may_be_spelled_otherwise_or_left_out(wwn: str) -> None:
    assert gates(judge(allowed=[replace(ALLOWED, wwn=wwn)])) == []


def test_a_given_wwn_is_not_matched_by_a_disk_without_one() -> None:
    assert gates(judge(disks=[replace(DISK, wwn="")])) == [4]


def test_two_devices_with_one_serial_number_refuse_both() -> None:
    twin = replace(DISK, name="sdb", wwn="0x5000c500aaaaaaaa")
    decisions = judge(disks=[DISK, twin], probes={"sda": BLANK, "sdb": BLANK})
    assert gates(decisions) == [4, 4]
    assert "sda and sdb both" in decisions[0].reason


def test_two_devices_with_one_wwn_refuse_both() -> None:
    twin = replace(DISK, name="sdb", serial="SATA-0002")
    assert gates(judge(disks=[DISK, twin], allowed=[ALLOWED, replace(ALLOWED, serial="SATA-0002")])) == [4]


def test_a_serial_number_that_is_listed_twice_refuses() -> None:
    assert gates(judge(allowed=[ALLOWED, replace(ALLOWED, may_be_written=False)])) == [4]


@pytest.mark.parametrize("change", [{"bus": "usb"}, {"removable": True}])
def test_a_usb_disk_is_never_written_whatever_the_spec_says(change: dict[str, Any]) -> None:
    disk = replace(DISK, **change)
    assert gates(judge(disks=[disk], allowed=[replace(ALLOWED, bus=disk.bus)])) == [4]


def test_a_disk_that_may_be_written_and_is_not_there_is_told() -> None:
    decisions = judge(disks=[OTHER])
    assert [one.reason for one in about("SATA-0001", decisions)] == ["gate 4: no device has serial number SATA-0001"]


def test_gate_3_refuses_what_was_not_probed() -> None:
    decisions = judge(probes={})
    assert gates(decisions) == [3]


def test_gate_3_lists_what_would_be_destroyed_in_words() -> None:
    refusal = about("SATA-0001", judge(probes={"sda": WipeReport((LVM,))}))[0]
    assert refusal.gate == 3
    assert "LVM physical volume of volume group pve" in refusal.reason
    assert refusal.signatures == [LVM.signature()]
    assert refusal.digest == safety.digest("SATA-0001", [LVM])


@pytest.mark.parametrize("kind", ["unreadable", "not_probed", "held", "ambivalent", UNKNOWN_DATA, "anything"])
def test_gate_3_refuses_every_kind_of_entry(kind: str) -> None:
    assert gates(judge(probes={"sda": WipeReport((Found("disk", kind, "", "words"),))})) == [3]


def test_the_exact_override_lets_it_go_on() -> None:
    right = override(safety.digest("SATA-0001", [LVM]))
    decisions = judge(probes={"sda": WipeReport((LVM,))}, overrides=[right])
    assert [one.found for one in about("SATA-0001", decisions)] == [(LVM,)]


@pytest.mark.parametrize(
    "change",
    [{"run": 8}, {"boot": 1}, {"attempt": 2}, {"serial": "SATA-0002"}, {"stage": "Burn"}, {"digest": "0" * 64}],
)
def test_an_override_with_any_difference_is_none(change: dict[str, Any]) -> None:
    wrong = override(safety.digest("SATA-0001", [LVM]), **change)
    assert gates(judge(probes={"sda": WipeReport((LVM,))}, overrides=[wrong])) == [3]


def test_an_override_does_not_cover_a_signature_that_came_later() -> None:
    right = override(safety.digest("SATA-0001", [LVM]))
    more = Found("partition 1", "zfs", "rpool", "ZFS member of pool rpool")
    assert gates(judge(probes={"sda": WipeReport((LVM, more))}, overrides=[right])) == [3]


def test_nothing_is_written_while_gate_3_refuses_any_disk() -> None:
    entry = wire.AllowedDisk("NVME-0001", "", "nvme", 512, True)
    probes = {"sda": WipeReport((LVM,)), "nvme0n1": BLANK}
    decisions = judge(allowed=[ALLOWED, entry], probes=probes)
    assert [one.serial for one in decisions if isinstance(one, WriteGrant)] == ["NVME-0001"]
    assert safety.grants(decisions) == []


def test_an_attempt_goes_on_over_what_it_wrote_itself() -> None:
    ours = Found("disk", UNKNOWN_DATA, "ab", "data", ((4096, 65536),))
    decisions = judge(probes={"sda": WipeReport((ours,))}, begun={"SATA-0001": begun()})
    assert [one.resumed for one in about("SATA-0001", decisions)] == [True]


@pytest.mark.parametrize(
    "note", [begun(run=8), begun(boot=3), begun(attempt=2), begun(ranges=((0, 4096),)), begun(ranges=())]
)
def test_an_attempt_does_not_go_on_over_anything_else(note: safety.Begun) -> None:
    ours = Found("disk", UNKNOWN_DATA, "ab", "data", ((4096, 65536),))
    assert gates(judge(probes={"sda": WipeReport((ours,))}, begun={"SATA-0001": note})) == [3]


def test_an_attempt_that_goes_on_refuses_a_signature_that_was_not_on_the_list() -> None:
    assert gates(judge(probes={"sda": WipeReport((LVM,))}, begun={"SATA-0001": begun()})) == [3]


def test_an_attempt_that_goes_on_keeps_the_list_it_was_granted_with() -> None:
    decisions = judge(probes={"sda": WipeReport((LVM,))}, begun={"SATA-0001": begun(found=(LVM,))})
    assert about("SATA-0001", decisions)[0].found == (LVM,)


def test_the_digest_changes_with_every_field_and_not_with_the_order() -> None:
    two = Found("partition 1", "ext", "", "ext file system")
    assert safety.digest("A", [LVM, two]) == safety.digest("A", [two, LVM])
    others = [
        safety.digest("B", [LVM]),
        *(safety.digest("A", [replace(LVM, **{f: "x"})]) for f in ("where", "kind", "label", "words")),
    ]
    assert len({safety.digest("A", [LVM]), *others}) == 6
