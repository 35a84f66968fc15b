"""Parts and numbers as the pages say them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from agent.contract import codec
from runs import disk_writes, stage_rows
from runs.desk.templatetags import words
from runs.files.logs import Line
from runs.models import StageRun
from runs.profiles import notes
from runs.wording import component_places, formatting, key_numbers, naming
from tests.talker import INVENTORY


@pytest.mark.parametrize(
    ("value", "path", "said"),
    [
        (None, "disks[X]", "absent"),
        (True, "memory.ecc", "yes"),
        (16384, "memory.dimms[A1].size_mb", "16\u00a0384\u00a0MiB"),
        (1000, "nics[x].speed_mbit", "1\u00a0000\u00a0Mbit/s"),
        ({"serial": "X", "size_mb": 512, "wwn": ""}, "disks[X]", "serial X, size 512\u00a0MiB"),
        ([], "gpus", "none"),
        ("", "system.serial", "empty"),
    ],
)
def test_a_value_of_the_spec_is_spelled_with_its_unit(value: object, path: str, said: str) -> None:
    assert formatting.spelled(value, path) == said


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("memory.dimms[DIMM_B1].serial", "Memory module DIMM_B1, serial"),
        ("memory.dimms[P0 [A].1].size_mb", "Memory module P0 [A].1, size"),
        ("disks[S4EV]", "Disk S4EV"),
        ("cpu[CPU1]", "Processor CPU1"),
        ("system.uuid", "System, UUID"),
        ("memory.ecc", "Memory, ECC"),
        ("firmware", "Firmware"),
        ("everything that was found", "everything that was found"),
        ("", ""),
    ],
)
def test_a_place_in_the_spec_is_put_into_words(path: str, said: str) -> None:
    assert formatting.spec_place(path) == said


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (None, "%", "–"),
        (0.0, "%", "0 %"),
        (0.00421, "%", "0.0042 %"),
        (0.0000421, "%", "0.000042 %"),
        (0.5, "ms", "0.5 ms"),
        (70.923, "C", "70.92 °C"),
        (512.34, "MB/s", "512.3 MB/s"),
        (41_532.7, "ops/s", "41 530 ops/s"),
        (1.0, "sectors", "1 sector"),
        (2.0, "sectors", "2 sectors"),
    ],
)
def test_a_figure_is_rounded_to_what_it_repeats_to(value: float | None, unit: str, said: str) -> None:
    assert formatting.figure(value, unit).replace("\u00a0", " ") == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.4, "1 s"),
        (35, "35 s"),
        (60, "1 min"),
        (835, "14 min"),
        (7000, "1 h 57 min"),
        (40_680, "11 h 15 min"),
        (43_300, "12 h"),
        (140_000, "1 d 15 h"),
    ],
)
def test_what_is_planned_is_told_roughly(seconds: float, said: str) -> None:
    assert formatting.roughly(seconds).replace("\u00a0", " ") == said


@pytest.mark.parametrize(
    ("seconds", "said"), [(None, ""), (38, "38 s"), (245, "4 min 05 s"), (7500, "2 h 05 min"), (273_600, "3 d 4 h")]
)
def test_a_duration_has_two_units_at_most(seconds: float | None, said: str) -> None:
    assert formatting.duration(seconds).replace("\u00a0", " ") == said


@pytest.mark.parametrize(
    ("name", "unit"),
    [("seq_read_mb_s", "MB/s"), ("size_mb", "MiB"), ("rand_read_iops", "IOPS"), ("new_drive_h", "h"), ("cores", "")],
)
def test_the_end_of_a_name_is_the_same_unit_for_key_numbers_profiles_and_specs(name: str, unit: str) -> None:
    assert key_numbers.explained("Storage", name).unit == unit
    assert notes.unit(name) in (unit, name)
    assert formatting.spelled(1, name) == f"1\u00a0{unit}".rstrip("\u00a0")


def test_an_end_on_another_day_names_the_day() -> None:
    now = timezone.localtime()
    assert formatting.soon(now) == now.strftime("%H:%M")
    assert formatting.soon(now + timedelta(days=2)) == (now + timedelta(days=2)).strftime("%a %H:%M")


@pytest.mark.parametrize(("before", "after", "said"), [(0, 8, "+8"), (3, 3, "+0"), (9, 2, "reset")])
def test_a_counter_s_rise(before: int, after: int, said: str) -> None:
    assert formatting.rise(before, after) == said


def test_a_finding_s_part_is_told_with_what_the_run_found_of_it() -> None:
    found = codec.encode(INVENTORY)
    disk, dimm, nic = found["disks"][0], found["memory"]["dimms"][0], found["nics"][0]
    assert component_places.describe(found, "disk", disk["serial"]).startswith(f"{disk['name']}, ")
    assert "GiB" in component_places.describe(found, "dimm", dimm["locator"])
    assert component_places.describe(found, "nic", nic["mac"].upper()).startswith(nic["name"])


@pytest.mark.parametrize(("kind", "component"), [("disk", "unknown"), ("disk", ""), ("system", "system")])
def test_a_part_that_is_not_in_the_inventory_has_no_place(kind: str, component: str) -> None:
    assert component_places.describe(codec.encode(INVENTORY), kind, component) == ""
    assert component_places.describe(None, kind, component) == ""


def test_two_parts_of_one_name_have_none_either() -> None:
    found = {"disks": [{"name": "sda", "serial": "X"}, {"name": "sdb", "serial": "X"}]}
    assert component_places.describe(found, "disk", "X") == ""


def test_a_stage_that_passed_says_how_many_of_its_checks_could_not_be_made() -> None:
    assert words.untested([{"outcome": "passed"}, {"outcome": "not_tested"}, {"outcome": "not_tested"}]) == 2


@pytest.mark.parametrize(("size_mb", "label"), [(256, "268 MB"), (1_907_729, "2.0 TB"), (457_862, "480 GB")])
def test_a_disk_s_size_is_that_of_its_label(size_mb: int, label: str) -> None:
    assert component_places.describe({"disks": [{"serial": "X", "size_mb": size_mb}]}, "disk", "X") == label


@pytest.mark.parametrize(
    ("stage", "text", "named"),
    [
        ("CPUStress", "CPU: passed", True),
        ("CPUStress", "CPU begins", True),
        ("CPUStress", "CPU, attempt 2 begins", True),
        ("CPUStress", "CPU0: 99 C, limit 98 C", False),
        ("PSU", "Power Supply 1: Presence detected", False),
    ],
)
def test_a_log_line_that_begins_with_its_stage_does_not_say_it_twice(stage: str, text: str, named: bool) -> None:
    shown = words.stage_before(Line("2026-11-26T02:00:00Z", "INFO", stage, text))
    assert shown == ("" if named else f"{naming.state_in_words(stage)} ")


def test_a_log_line_of_no_stage_has_a_dot_in_its_place() -> None:
    assert words.stage_before(Line("2026-11-26T02:00:00Z", "INFO", "", "held")) == "· "


def test_a_stage_to_come_going_on_left_out_and_over_has_a_mark_and_a_colour() -> None:
    attempts = (None, StageRun(), StageRun(outcome="not_tested", counts=False), StageRun(outcome="failed"))
    assert [words.stage_mark(attempt) for attempt in attempts] == ["○", "●", "–", "✗"]
    assert [words.stage_tone(attempt) for attempt in attempts] == ["todo", "now", "skipped", "bad"]


@pytest.mark.parametrize(
    ("signatures", "serials"),
    [([("lvm", "LVM")], ["S1"]), ([("not_probed", "no answer")], []), ([("unreadable", "EIO")], []), ([], [])],
)
def test_a_disk_that_could_not_be_read_is_not_said_to_hold_data(
    signatures: list[tuple[str, str]], serials: list[str]
) -> None:
    found = [{"where": "disk", "kind": kind, "label": "", "words": said} for kind, said in signatures]
    not_allowed = {"gate": 4, "serial": "S2", "reason": "it is not marked may_be_written", "signatures": []}
    stage = StageRun(refusals=[{"gate": 3, "serial": "S1", "reason": "gate 3", "signatures": found}, not_allowed])
    assert stage_rows.found_data_on(stage) == serials


def test_a_disk_of_unknown_size_is_written_as_a_whole() -> None:
    disk = {"serial": "S1", "bus": "sata", "size_mb": 0, "may_be_written": True}
    profile = {"storage": {"mode": "write"}, "stages": {"Storage": {"params": {"write_max_mb": 0}}}}
    assert (
        "Everything on disk S1 (sata) is destroyed; all of it is written twice"
        in disk_writes.what_is_lost(profile, [disk])[0]
    )
