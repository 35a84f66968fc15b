"""The expected spec: what is accepted, what is refused and where the error points, what adopting makes of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.contract import codec, wire
from hosts import adoption, expectations
from hosts.expectations import ExpectationError
from runs.judging import specdiff
from runs.stages import STAGES
from tests.architecture import imports
from tests.runs.test_specdiff import CASES, SERVER, SPEC

WHOLE = """\
system: {manufacturer: ACME, product: R100, serial: 0012, uuid: 11111111-2222-3333-4444-555555555555}
cpu: {sockets: 1, cores: 8, model: Fast}
memory:
  total_mb: 3072
  ecc: true
  dimms:
    - {locator: DIMM_A1, size_mb: 3072, serial: 4711, part: P, speed_mts: 3200}
disks:
  - {serial: SATA-1, wwn: 0x5000c5, bus: sata, size_mb: 256, model: Big, may_be_written: true}
nics:
  - {mac: 52:54:00:12:34:56, speed_mbit: 1000}
gpus: []
psus: [{name: PSU1}]
fans: []
firmware: {bios: '1.10', bmc: 4.5.6}
not_expected: [thermal, gpu]
"""


def refusal(text: str) -> str:
    with pytest.raises(ExpectationError) as caught:
        expectations.read(text)
    return str(caught.value)


def test_the_whole_shape_is_read() -> None:
    spec = expectations.read(WHOLE).spec
    assert spec is not None
    assert spec["system"]["serial"] == "0012"
    assert spec["memory"]["dimms"][0]["serial"] == "4711"
    assert spec["nics"][0]["mac"] == "52:54:00:12:34:56"
    assert spec["gpus"] == [] and spec["fans"] == []
    assert spec["not_expected"] == ["thermal", "gpu"]


def test_permission_to_write_is_dropped_with_a_notice() -> None:
    read = expectations.read(WHOLE)
    assert "may_be_written" not in str(read.spec)
    assert read.notices == [expectations.MAY_BE_WRITTEN]
    assert "may_be_written" not in str(expectations.normalise({"disks": [{"serial": "A", "may_be_written": True}]}))
    assert expectations.read("disks: [{serial: A}]").notices == []


def test_what_is_left_out_stays_out_and_an_empty_list_stays_empty() -> None:
    assert expectations.normalise({"disks": [], "cpu": {"cores": 4}}) == {"disks": [], "cpu": {"cores": 4}}


def test_an_empty_text_is_no_spec() -> None:
    assert expectations.read("  \n").spec is None


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("cores: 8", "coers: 8", 2, "cpu.coers is not known; known here: sockets, cores, model"),
        ("cores: 8", "cores: eight", 2, "cpu.cores: Input should be a valid integer (given: 'eight')"),
        ("cores: 8", "cores: 0", 2, "cpu.cores: Input should be greater than or equal to 1"),
        ("cpu:", "cpus:", 2, "cpus is not known; known here: system, cpu, memory"),
        ("ecc: true", "ecc: yes", 5, "memory.ecc"),
        ("bus: sata", "bus: ide", 9, "disks[0].bus"),
        ("serial: SATA-1, wwn: 0x5000c5, ", "", 9, "disks[0]: a disk needs a serial or a wwn: give one"),
        ("52:54:00:12:34:56", "52:54:00:12:34", 11, "nics[0].mac: '52:54:00:12:34' is no MAC address"),
        ("52:54:00:12:34:56", "01:00:5e:00:00:01", 11, "multicast"),
        ("'1.10'", "1.10", 15, "firmware.bios: Input should be a valid string; put it in quotes (given: 1.1)"),
        ("[thermal, gpu]", "[thermal, gpus]", 16, "known words are ecc, dimms, bmc"),
        ("[{name: PSU1}]", "[{name: PSU1}, {name: PSU1}]", 13, "name PSU1 stands 2 times in psus"),
        ("locator: DIMM_A1, ", "", 7, "memory.dimms[0].locator is missing"),
        ("model: Fast", 'model: "Fa\\x07st"', 2, "contains invisible characters"),
    ],
)
def test_an_error_names_the_line_the_place_and_what_is_allowed(old: str, new: str, line: int, words: str) -> None:
    message = refusal(WHOLE.replace(old, new, 1))
    assert message.startswith(f"expected spec, line {line}: ")
    assert words in message


@pytest.mark.parametrize("text", ["- a list", "just words", "12", "cpu: [1]", "disks: {a: 1}"])
def test_another_shape_is_refused(text: str) -> None:
    assert refusal(text)


def test_what_is_written_as_yaml_reads_back_the_same() -> None:
    spec = expectations.read(WHOLE).spec
    assert expectations.read(expectations.to_yaml(spec)).spec == spec
    assert expectations.to_yaml(None) == ""


def test_every_topic_of_the_agents_checks_is_a_known_word() -> None:
    used = {topic for path in imports.files("agent") for topic in topics(path)}
    assert {"ecc", "bmc", "thermal", "gpu"} <= used
    assert used <= set(expectations.NOT_EXPECTED)


def test_every_known_word_takes_something_off() -> None:
    used = {topic for path in imports.files("agent") for topic in topics(path)}
    assert set(expectations.NOT_EXPECTED) <= used | {stage.topic for stage in STAGES}


def topics(path: Path) -> Iterator[str]:
    """Topics that a file of the agent names: `topic="…"`, `…TOPIC = "…"`, and the second word of a
    `CounterGroup(…)`."""
    for node in ast.walk(ast.parse(path.read_text())):
        value = None
        if (isinstance(node, ast.keyword) and node.arg == "topic") or (
            isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "").endswith("TOPIC")
        ):
            value = node.value
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "CounterGroup":
            value = node.args[1]
        if isinstance(value, ast.Constant) and value.value:
            yield value.value


# --- adopting -------------------------------------------------------------------------------------------------

FOUND = codec.encode(SERVER)


def test_adopting_all_takes_everything_and_no_permission() -> None:
    spec = adoption.from_inventory(FOUND)
    assert [disk["serial"] for disk in spec["disks"]] == ["NVME-1", "SATA-1"]
    assert spec["memory"]["total_mb"] == 32768
    assert [dimm["locator"] for dimm in spec["memory"]["dimms"]] == ["DIMM_A1", "DIMM_B1"]
    assert "may_be_written" not in str(spec)
    assert spec["not_expected"] == []


def test_a_fan_header_that_nothing_is_plugged_into_is_not_adopted() -> None:
    fans = [wire.Fan("FAN1", 5000), wire.Fan("FAN5"), wire.Fan("FAN6", 0), wire.Fan("Fan 7", percent=21.5)]
    adopted = adoption.from_inventory(codec.encode(replace(SERVER, fans=fans)))["fans"]
    assert adopted == [{"name": "FAN1"}, {"name": "Fan 7"}]


def test_a_cpu_of_amd_is_not_expected_to_count_its_throttling() -> None:
    amd = replace(SERVER, cpu=replace(SERVER.cpu, model="AMD EPYC 7313P 16-Core Processor"))
    assert adoption.from_inventory(codec.encode(amd))["not_expected"] == ["throttling"]


def test_adopting_leaves_out_what_says_nothing() -> None:
    system = replace(SERVER.system, serial="To Be Filled By O.E.M.", product="")
    bare = replace(SERVER, system=system, bmc=False, psus=[], gpus=[], memory=replace(SERVER.memory, ecc=False))
    spec = adoption.from_inventory(codec.encode(bare))
    assert spec["system"] == {"manufacturer": "ACME", "uuid": SERVER.system.uuid}
    assert spec["not_expected"] == ["ecc", "bmc", "gpu"]
    assert "psus" not in spec


@given(st.from_type(wire.Inventory))
@example(
    replace(SERVER, settings=wire.Settings(power_limits=[wire.PowerLimit("package-0", "long_term", float("inf"))]))
)
@settings(max_examples=100)
def test_any_inventory_makes_a_spec(inventory: wire.Inventory) -> None:
    spec = adoption.from_inventory(codec.encode(inventory))
    assert expectations.read(expectations.to_yaml(spec)).spec == spec


def test_a_missing_tool_makes_nothing_unexpected() -> None:
    tools = ["sdr_power_supply", "sdr_fan", "lspci", "dmidecode"]
    blind = replace(SERVER, psus=[], fans=[], gpus=[], missing_tools=tools)
    spec = adoption.from_inventory(codec.encode(blind))
    assert spec["not_expected"] == []
    assert "dimms" not in spec["memory"]
    assert "psus" not in spec and "fans" not in spec and "gpus" not in spec


def test_supplies_are_not_adopted_while_one_of_them_gives_no_reading() -> None:
    silent = replace(SERVER, psus=[wire.Psu("PSU1"), wire.Psu("PSU2", present=None)])
    assert "psus" not in adoption.from_inventory(codec.encode(silent))
    grown = replace(silent, psus=[*silent.psus, wire.Psu("PSU3")])
    adopted = adoption.adopt({"psus": [{"name": "PSU1"}, {"name": "PSU2"}]}, "psus[PSU3]", "PSU3", codec.encode(grown))
    assert adopted["psus"] == [{"name": "PSU1"}, {"name": "PSU2"}, {"name": "PSU3"}]


CANT_BE_TOLD_APART = {"two disks of one serial", "a disk without serial"}


@pytest.mark.parametrize("case", [case for case in CASES if case not in CANT_BE_TOLD_APART])
def test_adopting_every_difference_leaves_none(case: str) -> None:
    inventory = CASES[case][0]
    spec: dict[str, Any] = SPEC
    for difference in specdiff.compare(spec, inventory):
        spec = adoption.adopt(spec, difference.path, difference.actual, codec.encode(inventory))
    assert specdiff.compare(spec, inventory) == []


@pytest.mark.parametrize("case", sorted(CANT_BE_TOLD_APART))
def test_a_disk_that_cant_be_told_apart_stays_a_difference(case: str) -> None:
    inventory = CASES[case][0]
    (difference,) = specdiff.compare(SPEC, inventory)
    spec = adoption.adopt(SPEC, difference.path, difference.actual, codec.encode(inventory))
    assert specdiff.compare(spec, inventory) == [difference]


def test_adopting_one_difference_leaves_the_others() -> None:
    inventory = replace(SERVER, disks=SERVER.disks[:1], fans=SERVER.fans[:1])
    lost_disk, lost_fan = specdiff.compare(SPEC, inventory)
    spec = adoption.adopt(SPEC, lost_disk.path, lost_disk.actual, codec.encode(inventory))
    assert specdiff.compare(spec, inventory) == [lost_fan]


def test_adopting_into_no_spec_adopts_all() -> None:
    assert adoption.adopt(None, "cpu.cores", 32, FOUND) == adoption.from_inventory(FOUND)


def test_what_no_difference_is_about_stays() -> None:
    spec = SPEC | {"pinned": ["firmware.bios"], "not_expected": ["dcmi"]}
    inventory = replace(SERVER, fans=SERVER.fans[:1])
    (lost_fan,) = specdiff.compare(spec, inventory)
    adopted = adoption.adopt_all(spec, [(lost_fan.path, lost_fan.actual)], codec.encode(inventory))
    assert adopted == spec | {"fans": [{"name": "FAN1"}]}


def test_a_graphics_card_where_there_was_none_is_tested_from_then_on() -> None:
    none = SPEC | {"gpus": [], "not_expected": ["gpu", "dcmi"]}
    card = wire.Gpu("GPU-9", "Nine", "0000:01:00.0")
    inventory = replace(SERVER, gpus=[card])
    (difference,) = specdiff.compare(none, inventory)
    spec = adoption.adopt(none, difference.path, difference.actual, codec.encode(inventory))
    assert spec["not_expected"] == ["dcmi"]


def test_pins_follow_a_part_to_its_new_name_and_go_with_it() -> None:
    pins = ["gpus[GPU-1].model", "firmware.bios", "disks[SATA-1].model"]
    spec = SPEC | {"gpus": [{"uuid": "GPU-1", "model": "Nine"}], "pinned": pins}
    inventory = codec.encode(replace(SERVER, gpus=[wire.Gpu("GPU-2", "Nine", "")], disks=SERVER.disks[:1]))
    spec = adoption.adopt(spec, "gpus[GPU-1].uuid", "GPU-2", inventory)
    assert spec["pinned"] == ["gpus[GPU-2].model", *pins[1:]]
    assert adoption.adopt(spec, "disks[SATA-1]", None, inventory)["pinned"] == ["gpus[GPU-2].model", "firmware.bios"]


def test_disks_that_could_not_be_listed_are_not_taken_for_none() -> None:
    """An empty list would mean that none may be there."""
    blind = replace(SERVER, disks=[], missing_tools=["lsblk"])
    assert "disks" not in adoption.from_inventory(codec.encode(blind))


def test_a_name_with_brackets_is_adopted_like_any_other() -> None:
    """`FAN [1]` once ended in a page with an error of ours."""
    inventory = replace(SERVER, fans=[*SERVER.fans, wire.Fan("FAN [1].a", 5000)])
    (difference,) = specdiff.compare(SPEC, inventory)
    spec = adoption.adopt(SPEC, difference.path, difference.actual, codec.encode(inventory))
    assert specdiff.compare(spec, inventory) == []


def test_a_spec_is_shown_in_the_schemas_order_whatever_the_database_made_of_it() -> None:
    """PostgreSQL sorts the keys of an object by their length."""
    kept = {"disks": [{"bus": "nvme", "serial": "A"}], "cpu": {"cores": 8, "sockets": 1}}
    assert expectations.to_yaml(kept) == "cpu:\n  sockets: 1\n  cores: 8\ndisks:\n- serial: A\n  bus: nvme\n"
    assert expectations.to_yaml({"old_key": 1}) == "old_key: 1\n"
