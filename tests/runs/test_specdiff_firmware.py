"""Firmware against what is expected: of the board and the processors, and by disk, network card and storage adapter."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agent.contract import codec, wire
from hosts import adoption, expectations, sidebyside
from hosts.expectations import ExpectationError
from runs import orchestrator_stages
from runs.judging import specdiff
from runs.wording import formatting
from tests.runs.test_specdiff import SERVER

SAS = wire.AdapterFirmware("0000:02:00.0", "mpt3sas", "SAS9300-8i", "16.00.12.00")
RAID = wire.AdapterFirmware("0000:03:00.0", "megaraid_sas", "LSI MegaRAID SAS-3 3108")
FULL = replace(
    SERVER,
    cpu=replace(SERVER.cpu, microcode="0x2b000603"),
    disks=[
        wire.Disk("sda", "S1", "", "sata", 3815447, model="Big 4000", firmware="SC60"),
        wire.Disk("sdb", "S2", "", "sata", 3815447, model="Big 4000", firmware="SC60"),
        wire.Disk("nvme0n1", "N1", "", "nvme", 976762, model="Quick 1000", firmware="2B2QEXM7"),
    ],
    nics=[replace(SERVER.nics[0], model="Intel I350", firmware="1.63, 0x80000a05"), SERVER.nics[1]],
    firmware=wire.Firmware(bios="1.2.3", bmc="4.5", adapters=[SAS]),
)
FIRMWARE = {
    "bios": "1.2.3",
    "bmc": "4.5",
    "microcode": "0x2B000603",
    "disks": {"big  4000": "SC60", "Quick 1000": "2B2QEXM7", "Absent 1": "1"},
    "nics": {"52-54-00-00-00-01": "1.63, 0x80000a05"},
    "hbas": {"SAS9300-8i": "16.00.12.00"},
}


def spec(*pinned: str, **firmware: Any) -> dict[str, Any]:
    return expectations.normalise({"firmware": FIRMWARE | firmware, "pinned": list(pinned)})


def told(expected: dict[str, Any], inventory: wire.Inventory) -> list[tuple[str, str, str]]:
    return [(d.severity.value, d.component, d.path) for d in specdiff.compare(expected, inventory)]


def with_disks(*versions: str) -> wire.Inventory:
    """The two disks of one model with other firmware."""
    disks = [replace(disk, firmware=text) for disk, text in zip(FULL.disks, versions, strict=False)]
    return replace(FULL, disks=[*disks, FULL.disks[2]])


def test_a_host_that_runs_what_is_expected_has_no_difference() -> None:
    assert specdiff.compare(spec(), FULL) == [] and specdiff.not_compared(spec(), FULL) == []


@pytest.mark.parametrize(
    ("firmware", "component", "path"),
    [
        ({"microcode": "0x2b000590"}, "system", "firmware.microcode"),
        ({"disks": {"Quick 1000": "3B2QEXM7"}}, "N1", "firmware.disks[Quick 1000]"),
        ({"disks": {"N1": "3B2QEXM7", "Quick 1000": "2B2QEXM7"}}, "N1", "firmware.disks[N1]"),
        ({"nics": {"Intel I350": "1.67"}}, "52:54:00:00:00:01", "firmware.nics[Intel I350]"),
        ({"nics": {"igb": "1.67"}}, "52:54:00:00:00:01", "firmware.nics[igb]"),
        ({"hbas": {"0000:02:00.0": "16.00.01.00"}}, "0000:02:00.0", "firmware.hbas[0000:02:00.0]"),
        ({"hbas": {"mpt3sas": "16.00.01.00"}}, "0000:02:00.0", "firmware.hbas[mpt3sas]"),
    ],
)
def test_another_version_is_information_and_critical_where_it_is_pinned(
    firmware: dict[str, Any], component: str, path: str
) -> None:
    assert told(spec(**firmware), FULL) == [("info", component, path)]
    assert told(spec(path, **firmware), FULL) == [("critical", component, path)]
    assert orchestrator_stages.compare(spec(path, **firmware), FULL).outcome == wire.Outcome.FAILED


def test_each_disk_of_a_model_is_blamed_by_its_serial_number() -> None:
    path = "firmware.disks[big  4000]"
    assert told(spec(path), with_disks("SC61", "SC61")) == [("critical", "S1", path), ("critical", "S2", path)]
    assert told(spec(path), with_disks("SC60", "SC61")) == [("critical", "S2", "firmware.disks[S2]")]
    (difference,) = specdiff.compare(spec(path), with_disks("SC60", "SC61"))
    assert difference.message == "S2: firmware 'SC61', expected 'SC60'"


@pytest.mark.parametrize("pins", [(), ("firmware.disks[big  4000]",)])
@pytest.mark.parametrize("versions", [("SC61", "SC61"), ("SC60", "SC61"), ("SC61", "SC62")])
def test_adopting_every_difference_leaves_none_and_keeps_what_is_pinned(
    versions: tuple[str, str], pins: tuple[str, ...]
) -> None:
    inventory = with_disks(*versions)
    expected = spec(*pins)
    for difference in specdiff.compare(expected, inventory):
        expected = adoption.adopt(expected, difference.path, difference.actual, codec.encode(inventory))
    assert specdiff.compare(expected, inventory) == []
    assert expectations.read(expectations.to_yaml(expected)).spec == expected
    back = {one.severity.value for one in specdiff.compare(expected, with_disks("SC99", "SC99"))}
    assert back == ({"critical"} if pins else {"info"})


def test_what_could_not_be_read_is_named_and_is_no_difference() -> None:
    silent = replace(
        FULL,
        cpu=replace(FULL.cpu, microcode=""),
        disks=[replace(FULL.disks[0], firmware=""), *FULL.disks[1:]],
        nics=[replace(FULL.nics[0], firmware="")],
        firmware=wire.Firmware(bmc="4.5", adapters=[replace(SAS, version="")]),
    )
    pins = ("firmware.bios", "firmware.microcode", "firmware.disks[big  4000]", "firmware.hbas[SAS9300-8i]")
    assert specdiff.compare(spec(*pins), silent) == []
    assert specdiff.not_compared(spec(*pins), silent) == [
        "firmware.bios could not be compared: no version of it was read",
        "firmware.microcode could not be compared: no version of it was read",
        "firmware.disks[big  4000] could not be compared: S1 reports no version",
        "firmware.nics[52:54:00:00:00:01] could not be compared: 52:54:00:00:00:01 reports no version",
        "firmware.hbas[SAS9300-8i] could not be compared: 0000:02:00.0 reports no version",
    ]
    assert orchestrator_stages.compare(spec(), silent).outcome == wire.Outcome.NOT_TESTED


def test_a_model_that_is_absent_says_nothing_unless_a_controller_hides_its_drives() -> None:
    behind = replace(FULL, firmware=wire.Firmware(bios="1.2.3", bmc="4.5", adapters=[SAS, RAID]))
    assert specdiff.not_compared(spec(), FULL) == []
    assert specdiff.not_compared(spec(), behind) == [
        "firmware.disks[Absent 1] could not be compared: drives behind 0000:03:00.0 (megaraid_sas) are not listed"
    ]


def test_a_bmc_that_is_gone_is_blamed_once() -> None:
    gone = replace(FULL, bmc=False, psus=[], firmware=replace(FULL.firmware, bmc=""))
    assert told(spec(), gone) == [("critical", "BMC", "firmware.bmc")]
    assert specdiff.not_compared(spec(), gone) == []


def test_leading_zeros_and_capitals_make_no_other_microcode() -> None:
    assert specdiff.compare(spec(microcode="0x002B000603"), FULL) == []


def test_adopting_all_states_a_version_for_each_model() -> None:
    firmware = adoption.from_inventory(codec.encode(FULL))["firmware"]
    assert firmware == {
        "bios": "1.2.3",
        "bmc": "4.5",
        "microcode": "0x2b000603",
        "disks": {"Big 4000": "SC60", "Quick 1000": "2B2QEXM7"},
        "nics": {"Intel I350": "1.63, 0x80000a05"},
        "hbas": {"SAS9300-8i": "16.00.12.00"},
    }
    mixed = adoption.from_inventory(codec.encode(with_disks("SC60", "SC61")))
    assert mixed["firmware"]["disks"] == {"S1": "SC60", "S2": "SC61", "Quick 1000": "2B2QEXM7"}
    assert specdiff.compare(mixed, with_disks("SC60", "SC61")) == []


def test_an_inventory_from_before_adapters_were_listed_can_be_adopted_and_compared() -> None:
    old = codec.encode(FULL)
    del old["firmware"]["adapters"]
    assert "hbas" not in adoption.from_inventory(old)["firmware"]
    assert specdiff.compare(spec(), codec.decode(wire.Inventory, old)) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("disks: {}", "firmware.disks: Dictionary should have at least 1 item"),
        ("disks: [SC60]", "firmware.disks: Input should be a valid dictionary"),
        (
            "disks: {Big 4000: 1.10}",
            "line 2: firmware.disks.Big 4000: Input should be a valid string; put it in quotes",
        ),
        ("disks: {Big 4000: a, big 4000: b}", "'big 4000' stands here twice"),
        ("nics: {52-54-00-00-00-01: a, '5254.0000.0001': b}", "stands here twice"),
        ("microcod: '0x1'", "known here: bios, bmc, microcode, disks, nics, hbas; did you mean 'microcode'?"),
        ("hba: {x: y}", "did you mean 'hbas'?"),
    ],
)
def test_a_wrong_entry_is_refused(text: str, words: str) -> None:
    with pytest.raises(ExpectationError) as caught:
        expectations.read(f"firmware:\n  {text}\n")
    assert words in str(caught.value)


def test_a_pin_of_a_version_is_checked_like_any_other() -> None:
    text = "firmware: {bios: '1', disks: {Big 4000: SC60}}\npinned:\n- firmware.disks[Big 400]\n"
    with pytest.raises(ExpectationError, match=r"line 3: .*did you mean 'firmware.disks\[Big 4000\]'"):
        expectations.read(text)
    assert expectations.read(text.replace("Big 400]", "Big 4000]")).spec["pinned"] == ["firmware.disks[Big 4000]"]


def test_versions_stand_side_by_side_with_what_was_found() -> None:
    (section,) = [
        one
        for one in sidebyside.sections(spec(), adoption.from_inventory(codec.encode(FULL)))
        if one.title == "Firmware"
    ]
    lines = {line.path: (line.expected, line.found) for line in section.lines}
    assert lines["firmware.disks[Quick 1000]"] == ("2B2QEXM7", "2B2QEXM7")
    assert lines["firmware.hbas[SAS9300-8i]"] == ("16.00.12.00", "16.00.12.00")
    assert formatting.spec_place("firmware.disks[Quick 1000]") == "Firmware of disk Quick 1000"
