"""Numbers that a drive does not keep, packs with others, or contradicts elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from tests.agent_stages import smart_verdicts
from tests.agent_stages.healthy import ata, attribute, error_log, ssd, statistic
from tests.agent_stages.smart_verdicts import FAILED, NOT_TESTED, PASSED

EMPTY_LOG = {"ata_smart_error_log": {"extended": {"revision": 1, "count": 0}}}
FAILED_READS = statistic(4, 8, "Number of Reported Uncorrectable Errors", 500)
LOG_OF_500 = {"count": 500, "table": [{"lifetime_hours": 9}]}
ALL_USED = statistic(7, 8, "Percentage Used Endurance Indicator", 255)
# Rows of which SandForce has only raw values.
SANDFORCE = (
    attribute(174, "Unexpect_Power_Loss_Ct", 42, value=0), attribute(177, "Wear_Range_Delta", 3, value=0),
    attribute(233, "SandForce_Internal", 6647, value=0), attribute(241, "Lifetime_Writes_GiB", 3734, value=0),
)  # fmt: skip
# Rows that Phison's drives have.
PHISON = (
    attribute(168, "SATA_Phy_Error_Count", 0), attribute(170, "Bad_Blk_Ct_Erl/Lat", 413, text="0/413", thresh=10),
    attribute(173, "MaxAvgErase_Ct", 3), attribute(218, "CRC_Error_Count", 0),
)  # fmt: skip
SPARE = attribute(232, "Available_Reservd_Space", 30, value=0)


def reported(raw: int) -> dict[str, Any]:
    return attribute(187, "Reported_Uncorrect", raw)


def without_value(number: int, name: str, raw: int) -> dict[str, Any]:
    """A row of a drive whose raw values have eight bytes, so that it has no normalised ones."""
    return {"id": number, "name": name, "raw": {"value": raw, "string": str(raw)}}


INNODISK = "M.2 (S80) 3TG6-P"


def innodisk(left: int) -> list[dict[str, Any]]:
    """Rows of a 3TG6 with this percentage of life left."""
    return [
        attribute(169, "Remaining_Lifetime_Perc", left, value=100),
        attribute(184, "End-to-End_Error", 56178666, value=0),
    ]


BAD = {
    "Hitachi's failed reads, the lowest of three words": (ata(reported(0xE486_FFFF_01EE)), "reported_uncorrectable"),
    "failed reads of a flash drive are one number": (ssd(reported(1 << 16)), "reported_uncorrectable"),
    "failed reads by the statistics, and one in the log": (
        ssd(reported(0), **FAILED_READS, **error_log(("UNC at LBA = 0x8 = 8", 900))), "reported_uncorrectable"
    ),
    "failed reads by the statistics, and as many errors in the log": (
        ssd(reported(0), **FAILED_READS, ata_smart_error_log={"summary": LOG_OF_500}),
        "reported_uncorrectable",
    ),
    "failed reads by the statistics, and some by 187": (
        ssd(reported(3), **FAILED_READS, **EMPTY_LOG), "reported_uncorrectable"
    ),
    "failed reads by the statistics alone": (ssd(**FAILED_READS), "reported_uncorrectable"),
    "failed reads of a hard disk by the statistics": (
        ata(reported(0), **FAILED_READS, **EMPTY_LOG), "reported_uncorrectable"
    ),
    "255 % used, and no life left": (ssd(attribute(231, "SSD_Life_Left", 0, value=0), **ALL_USED), "wear"),
    "Innodisk's wear, by the attribute": (
        ssd(*innodisk(0), **statistic(7, 8, "Endurance", 0), model_name=INNODISK), "wear"
    ),
    "Indilinx's wear": (ssd(without_value(209, "Remaining_Lifetime_Perc", 0)), "wear"),
    "a drive of Indilinx, without any value": (
        ssd(ata_smart_attributes={"table": [without_value(209, "Remaining_Lifetime_Perc", 0)]}), "wear"
    ),
    "SandForce's spare where it has a value": (
        ssd(*SANDFORCE, attribute(232, "Available_Reservd_Space", 30, value=4, thresh=10)), "spare"
    ),
    "a spare of 0 beside one row of 0": (ssd(SANDFORCE[0], SPARE), "spare"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_drive_is_found(name: str) -> None:
    document, code = BAD[name]
    verdict = smart_verdicts.of(document)
    assert verdict.outcome is FAILED, verdict.words
    assert f"smart.{code}" in verdict.critical, verdict.words


SOUND = {
    "Hitachi's other errors, in the upper words of failed reads": ata(reported(0x04E1_0261_0000)),
    "failed reads by Phison's statistics alone": ssd(*PHISON, reported(0), **FAILED_READS, **EMPTY_LOG),
    "the same, and a command in the log that the drive refused": ssd(
        *PHISON, reported(0), **FAILED_READS, **error_log(("ABRT", 20000))
    ),
    "the same on a model that the database lacks": ssd(
        *PHISON, reported(0), **FAILED_READS, **EMPTY_LOG, in_smartctl_database=False
    ),
    "255 % used, and all of the life left": ssd(attribute(231, "SSD_Life_Left", 0), **ALL_USED),
    "255 % used, repeated by smartctl 7.5": ssd(
        attribute(231, "SSD_Life_Left", 0), **ALL_USED, endurance_used={"current_percent": 255}
    ),
    "SandForce's spare": ssd(*SANDFORCE, SPARE),
    "SandForce's spare, repeated by smartctl 7.5": ssd(*SANDFORCE, SPARE, spare_available={"current_percent": 0}),
    "Innodisk's life left in the statistic": ssd(
        *innodisk(100), **statistic(7, 8, "Endurance", 100), model_name=INNODISK
    ),
    "the same, repeated by smartctl 7.5": ssd(
        *innodisk(100),
        **statistic(7, 8, "Endurance", 100),
        model_name=INNODISK,
        endurance_used={"current_percent": 100},
    ),
    "Innodisk's corrected reads on a model that the database lacks": ssd(
        *innodisk(99), model_name="mSATA 3TG6-P", in_smartctl_database=False
    ),
    "Indilinx's life left": ssd(without_value(209, "Remaining_Lifetime_Perc", 88)),
    "a drive of Indilinx, without any value": ssd(
        ata_smart_attributes={
            "table": [
                without_value(1, "Raw_Read_Error_Rate", 6),
                without_value(9, "Power_On_Hours", 7189),
                without_value(209, "Remaining_Lifetime_Perc", 99),
                without_value(211, "SATA_Error_Ct_CRC", 0),
            ]
        }
    ),
}


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_drive_passes(name: str) -> None:
    verdict = smart_verdicts.of(SOUND[name])
    assert (verdict.outcome, verdict.critical, verdict.warning) == (PASSED, set(), set()), verdict.words


UNKNOWN = {
    "255 % used, and nothing else tells of wear": (ssd(**ALL_USED), "worn out, or not kept"),
    "values, and no thresholds": (
        ssd(ata_smart_attributes={"table": [{**without_value(231, "SSD_Life_Left", 90), "value": 90}]}),
        "the thresholds of the attributes were not read",
    ),
    "failed reads by the statistics, an empty log, and no 187": (
        ssd(**FAILED_READS, **EMPTY_LOG), "the drive's error log has none"
    ),
    "the same of Phison": (ssd(*PHISON, **FAILED_READS, **EMPTY_LOG), "the drive's error log has none"),
    "failed reads by the statistics, an empty log, and none by 187": (
        ssd(reported(0), **FAILED_READS, **EMPTY_LOG), "attribute 187 or the drive's error log has none"
    ),
    "failed reads by the statistics, no log, and none by 187": (
        ssd(reported(0), **FAILED_READS), "attribute 187 or the drive's error log has none"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_nothing_confirms_or_denies_is_not_tested(name: str) -> None:
    document, reason = UNKNOWN[name]
    verdict = smart_verdicts.of(document)
    assert (verdict.outcome, verdict.critical) == (NOT_TESTED, set()), verdict.words
    assert reason in verdict.words
