"""Names of attributes: what smartctl's database says of a model, and what is known where it says nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from agent.probes.smart import smart_counts, smart_meanings, smartctl
from tests.agent_stages import healthy, smart_verdicts
from tests.agent_stages.healthy import attribute, statistic
from tests.agent_stages.smart_verdicts import FAILED, NOT_TESTED, PASSED


@pytest.mark.parametrize("spell", [str.lower, str.upper, str.swapcase])
def test_capital_and_small_letters_of_a_name_are_the_same(spell: Callable[[str], str]) -> None:
    rows = [(1, name) for row in smart_meanings.TABLE for name in row.names]
    rows += [(5, "Runtime_Bad_Block"), (230, "Media_Wearout_Indicator")]
    assert [smart_meanings.named("", "", number, spell(name)) for number, name in rows] == [name for _, name in rows]


def test_each_name_of_an_attribute_has_one_meaning_and_each_meaning_a_reason() -> None:
    names = [name.lower() for row in smart_meanings.TABLE for name in row.names]
    assert len(names) == len(set(names))
    assert all(len(row.why) > 20 for row in smart_meanings.TABLE)


def unknown(*rows: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A flash drive that smartctl's database lacks, with smartctl's default names for these numbers and the usual."""
    return healthy.ssd(*rows, in_smartctl_database=False, **more)


PENDING = attribute(197, "Current_Pending_Sector", 1)
GUESSES = {
    "a place that comes and goes on an MX500": PENDING,
    "host reads where others count sectors": attribute(198, "Offline_Uncorrectable", 8192),
    "errors that the drive corrected": attribute(184, "End-to-End_Error", 4711),
    "reads of flash that were tried again": attribute(187, "Reported_Uncorrect", 80),
    "a range of wear": attribute(177, "Wear_Leveling_Count", 3, value=1),
    "what was written to the flash": attribute(233, "Media_Wearout_Indicator", 2752, value=1),
    "a count of reads": attribute(232, "Available_Reservd_Space", 99, value=1),
}


@pytest.mark.parametrize("name", GUESSES)
def test_a_default_name_does_not_condemn_a_flash_drive_that_the_database_lacks(name: str) -> None:
    verdict = smart_verdicts.of(unknown(GUESSES[name]))
    assert (verdict.outcome, verdict.critical, verdict.warning) == (NOT_TESTED, set(), set()), verdict.words
    assert f"{GUESSES[name]['id']} {GUESSES[name]['name']} is " in verdict.words
    assert "smartctl's database does not have this model" in verdict.words


@pytest.mark.parametrize("name", GUESSES)
def test_the_same_value_condemns_a_drive_that_the_database_has_or_a_hard_disk(name: str) -> None:
    known = healthy.ssd(GUESSES[name], in_smartctl_database=True)
    assert smart_verdicts.of(known).outcome is FAILED
    if GUESSES[name]["id"] in (184, 187, 197, 198):
        assert smart_verdicts.of(healthy.ata(GUESSES[name], in_smartctl_database=False)).outcome is FAILED


@pytest.mark.parametrize(
    ("drive", "warning"),
    [
        (unknown(), set()),
        (unknown(attribute(177, "Wear_Leveling_Count", 50, value=95)), set()),
        (unknown(attribute(177, "Wear_Leveling_Count", 3, value=0)), set()),
        (unknown(attribute(233, "Media_Wearout_Indicator", 1, value=1), **statistic(7, 8, "Endurance", 12)), set()),
        (unknown(attribute(5, "Reallocated_Sector_Ct", 12)), {"smart.retired_blocks"}),
        (unknown(spare_available={"current_percent": 0}, endurance_used={"current_percent": 100}), set()),
        (
            unknown(ata_smart_attributes={"table": [attribute(187, "Reported_Uncorrect", 0)]}), set()
        ),
    ],
)  # fmt: skip
def test_a_sound_flash_drive_that_the_database_lacks_passes(drive: dict[str, Any], warning: set[str]) -> None:
    verdict = smart_verdicts.of(drive)
    assert (verdict.outcome, verdict.critical, verdict.warning) == (PASSED, set(), warning), verdict.words


@pytest.mark.parametrize(
    ("drive", "code"),
    [
        (unknown(PENDING, **statistic(1, 64, "Pending Error Count", 2)), "smart.pending_sectors"),
        (unknown(PENDING, ata_pending_defects_log={"count": 2}), "smart.pending_sectors"),
        (unknown(**statistic(4, 8, "Uncorrectable", 500)), "smart.reported_uncorrectable"),
        (unknown(**statistic(7, 8, "Endurance", 104, normalized=True)), "smart.wear"),
        (unknown(power_on_time={"hours": 20000}, **healthy.error_log(("UNC at LBA = 0x1 = 1", 19999))),
         "smart.recent_read_errors"),
        (unknown(smart_status={"passed": False}), "smart.failing"),
        (unknown(attribute(5, "Reallocated_Sector_Ct", 700)), "smart.retired_blocks"),
        (unknown(attribute(233, "Media_Wearout_Indicator", 0, value=5, thresh=5, when_failed="now")), "smart.prefail"),
        (unknown(attribute(197, "Current_Pending_Sector", 0, value=5, thresh=5, when_failed="now")), "smart.prefail"),
    ],
)  # fmt: skip
def test_what_the_standard_and_the_drive_itself_say_condemns_it(drive: dict[str, Any], code: str) -> None:
    verdict = smart_verdicts.of(drive)
    assert (verdict.outcome, verdict.critical) == (FAILED, {code}), verdict.words


def test_a_drive_without_anything_but_guesses_that_say_nothing_is_not_tested() -> None:
    table = [attribute(177, "Wear_Leveling_Count", 3, value=0), attribute(9, "Power_On_Hours", 9000)]
    assert smart_verdicts.of(unknown(ata_smart_attributes={"table": table})).outcome is NOT_TESTED


def test_a_guess_makes_no_counter_around_the_stages() -> None:
    def counted(raw: int) -> dict[str, int]:
        drive = unknown(attribute(197, "Current_Pending_Sector", raw))
        return smart_counts.of(smartctl.parse(json.dumps(drive)))

    assert counted(0) == counted(1) == {"smart.retired_blocks": 0}
