"""A drive passes only on what was read of it; what condemns it does so whatever else is missing."""

from __future__ import annotations

from typing import Any

import pytest

from agent.contract import wire
from agent.parsing import ParseError
from tests.agent_stages import healthy, smart_verdicts
from tests.agent_stages.smart_verdicts import FAILED, NOT_TESTED, PASSED


def without(document: dict[str, Any], *path: str) -> dict[str, Any]:
    """Without the value at `path`."""
    node = document
    for key in path[:-1]:
        node = node[key]
    del node[path[-1]]
    return document


def flash(*rows: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A SATA flash drive with these attributes only."""
    return healthy.ssd(ata_smart_attributes={"table": [healthy.attribute(9, "Power_On_Hours", 20000), *rows]}, **more)


def hard_disk(*rows: dict[str, Any]) -> dict[str, Any]:
    """A SATA hard disk with these attributes only."""
    return healthy.ata(ata_smart_attributes={"table": list(rows)})


# The health log of a virtual disk, or of a bridge that answers without asking the drive.
BLANK = {"available_spare": 0, "available_spare_threshold": 0, "percentage_used": 0, "num_err_log_entries": 0}


@pytest.mark.parametrize(
    "drive",
    [
        flash(healthy.attribute(231, "SSD_Life_Left", 97, value=97)),
        flash(healthy.attribute(172, "Erase_Fail_Count", 0, thresh=10)),
        flash(healthy.attribute(196, "Spare_Blocks", 0, thresh=10, text="100/120")),
        flash(**healthy.statistic(7, 8, "Percentage Used Endurance Indicator", 4)),
        hard_disk(healthy.attribute(5, "Reallocated_Sector_Ct", 0), healthy.attribute(187, "Reported_Uncorrect", 0)),
    ],
)
def test_a_drive_is_judged_by_what_its_maker_has(drive: dict[str, Any]) -> None:
    assert smart_verdicts.of(drive).outcome is PASSED


@pytest.mark.parametrize("drive", [healthy.ata(), healthy.ssd(), healthy.sas(), healthy.nvme()])
def test_a_sound_drive_of_each_kind_passes_with_nothing_to_tell(drive: dict[str, Any]) -> None:
    assert smart_verdicts.of(drive) == (PASSED, set(), set(), "")


@pytest.mark.parametrize(
    ("drive", "word"),
    [
        (without(healthy.sas(), "scsi_error_counter_log"), "error counters"),
        (without(healthy.sas(), "scsi_error_counter_log", "write"), "error counters"),
        (without(healthy.sas(), "scsi_grown_defect_list"), "grown defects"),
        (healthy.sas(scsi_grown_defect_list="many"), "grown defects is no number"),
        (without(healthy.nvme(), "nvme_smart_health_information_log"), "the health log was not read"),
        (healthy.nvme(media_errors="0x0"), "media errors is no number: '0x0'"),
        (healthy.nvme(available_spare=255), "available spare is no number"),
        (without(healthy.nvme(), "nvme_smart_health_information_log", "percentage_used"), "percentage used was not"),
        (healthy.nvme(**BLANK, temperature=-273), "the health log is blank"),
        (healthy.ata(healthy.attribute(197, "Current_Pending_Sector", -1)), "197 Current_Pending_Sector is no number"),
        (healthy.ata(healthy.attribute(5, "Reallocated_Sector_Ct", 0, text="?")), "in no known format"),
        (healthy.ata(healthy.attribute(5, "Reallocated_Sector_Ct", 0xFFFFFFFFFFFF)), "Sector_Ct is no count"),
        (healthy.ssd(healthy.attribute(187, "Reported_Uncorrect", 0xFFFFFFFF)), "187 Reported_Uncorrect is no count"),
        (healthy.ata(healthy.attribute(197, "Vendor_Specific", 0)), "pending sectors were not read"),
        (flash(healthy.attribute(199, "UDMA_CRC_Error_Count", 0)), "no attribute that counts errors or wear"),
        (
            flash(healthy.attribute(10, "Spin_Retry_Count", 0), **healthy.statistic(6, 24, "CRC Errors", 0)),
            "no attribute that counts errors or wear",
        ),
        (flash(healthy.attribute(172, "Erase_Fail_Count", 0)), "no attribute that counts errors or wear"),
        (flash(healthy.attribute(1, "Raw_Read_Error_Rate", 0, thresh=50)), "no attribute that counts errors or wear"),
        (flash(healthy.attribute(231, "SSD_Life_Left", 0, value=200)), "no attribute that counts errors or wear"),
        (
            flash(healthy.attribute(232, "Available_Reservd_Space", 0, value=253)),
            "no attribute that counts errors or wear",
        ),
        (flash(healthy.attribute(197, "Current_Pending_ECC_Cnt", 0, text="banana")), "in no known format"),
        (healthy.ssd(healthy.attribute(202, "Percent_Lifetime_Used", 300)), "is 300, which is no percentage"),
        (healthy.ata({"id": 22, "name": "Helium_Level", "raw": {"value": 100, "string": "100"}}), "its level was not"),
        (hard_disk(healthy.attribute(5, "Reallocated_Sector_Ct", 0)), "pending sectors were not read"),
        (hard_disk(healthy.attribute(198, "Offline_Uncorrectable", 0)), "reallocated sectors were not read"),
        (
            healthy.ata(power_on_time={"hours": 1000}, **healthy.error_log(("UNC at LBA = 0x1 = 1", 20000))),
            "when 1 reads failed was not read",
        ),
        (healthy.ata(healthy.attribute(187, "Something_New", 4)), "187 Something_New: not known what it counts"),
        (healthy.ata(smart_support={"available": True, "enabled": False}), "SMART is switched off"),
        (healthy.ata(device={"protocol": "?"}), "no known protocol"),
        (healthy.ata(ata_smart_attributes={"table": []}), "garbled"),
    ],
)
def test_what_was_not_read_is_not_zero(drive: dict[str, Any], word: str) -> None:
    verdict = smart_verdicts.of(drive)
    assert (verdict.outcome, verdict.critical) == (NOT_TESTED, set())
    assert word in verdict.words


def test_a_health_log_with_a_temperature_is_not_blank() -> None:
    """QEMU's drive counts next to nothing."""
    assert smart_verdicts.of(healthy.nvme(**BLANK, temperature=50)) == (PASSED, set(), set(), "")


def test_a_count_that_has_reached_the_end_of_16_bits_is_one() -> None:
    verdict = smart_verdicts.of(healthy.ata(healthy.attribute(197, "Current_Pending_Sector", 65535)))
    assert (verdict.outcome, verdict.critical) == (FAILED, {"smart.pending_sectors"})


def garbled(*rows: dict[str, Any], status: int = 16, **more: Any) -> dict[str, Any]:
    """What a USB bridge gave as a drive's attributes: text in place of rows, many of the same number."""
    text = healthy.attribute(32, "Unknown_Attribute", 550026354720, value=32, thresh=32, when_failed="now")
    other = healthy.attribute(32, "Unknown_Attribute", 54108806656339, value=32, thresh=74, when_failed="now")
    smartctl = {"version": [7, 4], "exit_status": status}
    return healthy.ata(smartctl=smartctl, ata_smart_attributes={"table": [*rows, text, other]}, **more)


def test_a_garbled_table_of_attributes_condemns_no_drive() -> None:
    sectors = healthy.attribute(5, "Reallocated_Sector_Ct", 8224, value=0, thresh=32, when_failed="now", old_age=False)
    for rows in ((), (sectors,)):
        verdict = smart_verdicts.of(garbled(*rows))
        assert (verdict.outcome, verdict.critical, verdict.warning) == (NOT_TESTED, set(), set())
        assert "attribute 32 has two different rows" in verdict.words


def test_a_drive_with_a_garbled_table_fails_by_its_own_verdict() -> None:
    verdict = smart_verdicts.of(garbled(status=8 | 16, smart_status={"passed": False}))
    assert (verdict.outcome, verdict.critical) == (FAILED, {"smart.failing"})


def of_version(*version: int, defects: int) -> smart_verdicts.Verdict:
    return smart_verdicts.of(
        healthy.sas(smartctl={"version": list(version), "exit_status": 0}, scsi_grown_defect_list=defects)
    )


@pytest.mark.parametrize(
    ("defects", "outcome"), [(0, PASSED), (7, PASSED), (56, NOT_TESTED), (8, NOT_TESTED), (240, FAILED), (31, FAILED)]
)
def test_grown_defects_that_may_be_bytes_condemn_only_if_they_do_so_as_bytes(
    defects: int, outcome: wire.Outcome
) -> None:
    """56 bytes are 7 defects (AnalogJ/scrutiny#119), 240 are 30 (smartctl_exporter#118)."""
    verdict = of_version(7, 3, defects=defects)
    assert verdict.outcome is outcome
    assert ("may give grown defects (56) in bytes" in verdict.words) == (defects == 56)


def test_grown_defects_of_a_newer_smartctl_are_a_number() -> None:
    assert of_version(7, 4, defects=56).outcome is FAILED
    assert of_version(7, 5, defects=8).outcome is PASSED


def test_smartctls_text_is_named_as_what_it_is() -> None:
    with pytest.raises(ParseError, match="record with smartctl -j -x"):
        smart_verdicts.of("smartctl 7.4 2023-08-01 r5530\nCopyright (C) 2002-23, www.smartmontools.org\n")


@pytest.mark.parametrize(
    ("drive", "code"),
    [
        (healthy.sas(scsi_grown_defect_list=5000, smart_status={}), "smart.grown_defects"),
        (without(healthy.nvme(critical_warning=8), "smart_status"), "smart.critical_warning"),
        (healthy.nvme(media_errors=4, percentage_used="?"), "smart.media_errors"),
        (healthy.ata(healthy.attribute(197, "Current_Pending_Sector", 3), smart_support={}), "smart.pending_sectors"),
    ],
)  # fmt: skip
def test_what_condemns_does_so_though_other_things_are_missing(drive: dict[str, Any], code: str) -> None:
    verdict = smart_verdicts.of(drive)
    assert (verdict.outcome, verdict.critical) == (FAILED, {code})


def test_the_reason_is_what_smartctl_says_of_the_health_command() -> None:
    said = ["Read Device Statistics page 0x00 failed", "SMART Status command failed: scsi error aborted command"]
    head = {"version": [7, 4], "exit_status": 4, "messages": [{"string": text} for text in said]}
    verdict = smart_verdicts.of(without(healthy.ata(smartctl=head), "smart_status"))
    assert verdict.words == f"sda: the drive gives no health status; {said[1]}"


@pytest.mark.parametrize(
    ("drive", "said"),
    [
        (healthy.nvme(), "Read NVMe SMART/Health Information (NSID 0xffffffff) failed: NVMe Status 0x02"),
        (healthy.nvme(), "Read NVMe SMART/Health Information failed: NVME_IOCTL_ADMIN_CMD: Input/output error"),
        (healthy.sas(), "Log Sense failed, IE page [unsupported field in scsi command]"),
        (healthy.sas(), "Request Sense failed, [medium or hardware error (serious)]"),
    ],
)
def test_the_reason_is_told_of_nvme_and_sas_as_well(drive: dict[str, Any], said: str) -> None:
    drive["smartctl"] = {"version": [7, 4], "exit_status": 4, "messages": [{"string": said}]}
    verdict = smart_verdicts.of(without(drive, "smart_status"))
    assert verdict.words.endswith(f"the drive gives no health status; {said}")


def test_a_verdict_of_smartctls_own_is_not_called_the_drives() -> None:
    head = {"version": [7, 4], "messages": [{"string": "Warning: This result is based on an Attribute check."}]}
    good = healthy.ata(smartctl={**head, "exit_status": 4})
    assert smart_verdicts.of(good).outcome is PASSED
    assert "the drive's own verdict was not read" in smart_verdicts.of(good).words
    worn = healthy.attribute(5, "Reallocated_Sector_Ct", 3, value=5, thresh=10, old_age=False, when_failed="now")
    bad = healthy.ata(worn, smartctl={**head, "exit_status": 28}, smart_status={"passed": False})
    assert smart_verdicts.of(bad).critical == {"smart.failing", "smart.prefail"}
    assert "smartctl says by its attributes that it is failing" in smart_verdicts.of(bad).words


def test_a_flash_drive_on_sas_may_keep_no_list_of_defects_when_it_tells_its_endurance() -> None:
    worn = healthy.sas(rotation_rate=0, scsi_percentage_used_endurance_indicator=4)
    assert smart_verdicts.of(without(worn, "scsi_grown_defect_list")).outcome is PASSED


def test_a_drive_without_attributes_passes_on_the_statistics_of_the_standard() -> None:
    statistics = healthy.statistics((3, 32, "Number of Reallocated Logical Sectors", 0),
                                    (4, 8, "Number of Reported Uncorrectable Errors", 0))  # fmt: skip
    drive = without(healthy.ata(**statistics), "ata_smart_attributes")
    assert smart_verdicts.of(drive).outcome is PASSED
    drive["ata_device_statistics"]["pages"].pop()
    assert smart_verdicts.of(drive).outcome is NOT_TESTED


def test_places_that_smartctl_leaves_out_of_a_sparse_list_are_no_gap() -> None:
    pages = healthy.statistic(4, 8, "Number of Reported Uncorrectable Errors", 0)["ata_device_statistics"]["pages"]
    drive = healthy.ata(ata_device_statistics={"pages": [None, *pages, {"number": 255, "name": "Vendor Specific"}]})
    assert smart_verdicts.of(drive) == (PASSED, set(), set(), "")
    one = {"count": 1, "table": [None, {"lba": 7, "accum_power_on_hours": 9}]}
    assert "1 pending sectors" in smart_verdicts.of(healthy.sas(scsi_pending_defects=one)).words


def test_smartctl_before_7_3_says_nothing_of_whether_smart_is_on() -> None:
    old = without(healthy.ata(smartctl={"version": [7, 2], "exit_status": 0}), "smart_support")
    assert smart_verdicts.of(old).outcome is PASSED
    assert smart_verdicts.of({**old, "smartctl": {"version": [7, 4], "exit_status": 0}}).outcome is NOT_TESTED


def test_a_failed_self_test_that_smartctl_counts_and_does_not_print_is_missed() -> None:
    verdict = smart_verdicts.of(healthy.ata(smartctl={"version": [7, 4], "exit_status": 128}))
    assert verdict.outcome is NOT_TESTED
    assert "failed self-test" in verdict.words
