"""What a drive says beside its attributes, and attributes that mean something else on other models."""

from __future__ import annotations

from typing import Any

import pytest

from agent.probes.smart.smart_attributes import in_its_format
from tests.agent_stages import healthy, smart_verdicts
from tests.agent_stages.healthy import ata, attribute, error_log, sas, ssd, statistic
from tests.agent_stages.smart_verdicts import FAILED, NOT_TESTED, PASSED


def exception(asc: int, ascq: int) -> dict[str, Any]:
    said = {"asc": asc, "ascq": ascq, "ie_string": "what smartctl says"}
    return sas(smart_status={"passed": False, "scsi": said}, smartctl={"version": [7, 4], "exit_status": 8})


def scanned(sense: int, status: int) -> dict[str, Any]:
    place = {"sense_key": {"value": sense}, "reassign_status": {"value": status}, "lba": 7}
    return sas(scsi_background_scan={"status": {"value": 1}, "result_1": place})


def at_threshold(number: int, name: str) -> dict[str, Any]:
    """One that its maker calls an attribute of old age."""
    return attribute(number, name, 900, value=1, thresh=51, old_age=True, when_failed="now")


def without_197(*rows: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A hard disk of those that keep neither 197 nor 198, and `rows`."""
    table = [attribute(5, "Reallocated_Sector_Ct", 0, thresh=10), attribute(9, "Power_On_Hours", 20000), *rows]
    return ata(ata_smart_attributes={"table": table}, **more)


WEAR = attribute(177, "Wear_Leveling_Count", 50, value=95)


def nvme_log(*codes: tuple[int, int] | None) -> dict[str, Any]:
    """An NVMe drive that counts no media errors, with these status codes (type, code) in its error log."""
    fields = [code and {"status_field": {"status_code_type": code[0], "status_code": code[1]}} for code in codes]
    return {**healthy.nvme(), "nvme_error_information_log": {"size": 64, "table": fields}}


BLOCKS_4K = {"logical_block_size": 512, "physical_block_size": 4096}
SAS_FLASH = {"rotation_rate": 0, "scsi_percentage_used_endurance_indicator": 4}
BAD = {
    "Phison without its firmware": (ssd(WEAR, model_name="SATAFIRM   S11"), "smart.failing"),
    "Intel without its firmware": (ssd(WEAR, serial_number="BAD_CTX 00000150"), "smart.failing"),
    "SandForce without its firmware": (ssd(WEAR, model_name="SandForce{200026BB}"), "smart.failing"),
    "Samsung without its firmware": (ssd(WEAR, firmware_version="ERRORMOD"), "smart.failing"),
    "device statistics: reallocated": (ata(**statistic(3, 32, "Reallocated", 900)), "smart.reallocated_sectors"),
    "device statistics: candidates": (ata(**statistic(3, 56, "Candidates", 8)), "smart.pending_sectors"),
    "device statistics: pending": (ata(**statistic(1, 64, "Pending Error Count", 2)), "smart.pending_sectors"),
    "device statistics: mechanical starts": (ata(**statistic(3, 48, "Start Failures", 40)), "smart.spin_retries"),
    "device statistics: endurance": (ssd(**statistic(7, 8, "Endurance", 104, normalized=True)), "smart.wear"),
    "NVMe: a read that failed in the log, not in the count": (nvme_log((0, 2), None, (2, 0x81)), "smart.media_errors"),
    "NVMe: a write that failed in the log": (nvme_log((2, 0x80)), "smart.media_errors"),
    "pending log of SAS": (sas(scsi_pending_defects={"count": 2}), "smart.pending_sectors"),
    "scan: reassignment failed": (scanned(3, 4), "smart.background_scan"),
    "spin retries": (ata(attribute(10, "Spin_Retry_Count", 30)), "smart.spin_retries"),
    "mechanical starts that attribute 10 does not deny": (
        ata(attribute(10, "Spin_Retry_Count", 1), **statistic(3, 48, "Start Failures", 40)), "smart.spin_retries"
    ),
    "data path, not yet at its threshold": (ata(attribute(184, "End-to-End_Error", 2)), "smart.end_to_end"),
    "raw48 is not masked": (ata(attribute(5, "Reallocated_Sector_Ct", 1 << 16)), "smart.reallocated_sectors"),
    "Toshiba's helium": (ata(attribute(23, "Helium_Condition_Lower", 0, value=80, thresh=75)), "smart.helium"),
    "Intel's wear": (ssd(attribute(233, "Media_Wearout_Indicator", 0, value=1)), "smart.wear"),
    "Micron's wear": (ssd(attribute(202, "Percent_Lifetime_Used", 100, value=0)), "smart.wear"),
    "Silicon Motion's wear": (ssd(attribute(169, "Remaining_Lifetime_Perc", 0, value=100)), "smart.wear"),
    "smartctl 7.5's wear": (ssd(endurance_used={"current_percent": 100}), "smart.wear"),
    "spare without a threshold": (ssd(attribute(232, "Available_Reservd_Space", 0, value=4)), "smart.spare"),
    "smartctl 7.5's spare without a threshold": (ssd(spare_available={"current_percent": 0}), "smart.spare"),
    "flash blocks by the hundred": (ssd(attribute(5, "Reallocated_Sector_Ct", 700)), "smart.retired_blocks"),
    "no rotation rate: as a hard disk": (
        ata(attribute(5, "Reallocated_Sector_Ct", 12), rpm=None), "smart.reallocated_sectors"
    ),
    "IronWolf's upper bits": (
        ata(attribute(5, "Reallocated_Sector_Ct", 90 << 32 | 5, text="5 (90 0)"), model_name="ST8000VN0022-2EL112",
            firmware_version="SC61"),
        "smart.reallocated_sectors",
    ),
    "the summary log alone": (
        ata(ata_smart_error_log={"summary": {"count": 1, "table": [
            {"lifetime_hours": 19999, "completion_registers": {"error": 0x40}}]}}),
        "smart.recent_read_errors",
    ),
    "an address mark": (ata(**error_log(("AMNF at LBA = 0x1 = 1", 19990))), "smart.recent_read_errors"),
    "hours that have wrapped": (
        ata(**error_log(("UNC 8 sectors at LBA = 0x1 = 1", 20)), power_on_time={"hours": 65536 + 25}),
        "smart.recent_read_errors",
    ),
    "sectors that Samsung counts over the drive's life": (
        ata(attribute(197, "Total_Pending_Sectors", 300)), "smart.reported_uncorrectable"
    ),
    "Fujitsu's name for unreadable sectors": (
        ata(attribute(198, "Offline_Scan_UNC_SectCt", 7)), "smart.uncorrectable_sectors"
    ),
    "SanDisk's uncorrectable reads": (ssd(attribute(13, "Lifetime_UECC_Ct", 900)), "smart.reported_uncorrectable"),
    "Kingston's write protection": (ssd(attribute(167, "Write_Protect_Mode", 1)), "smart.write_protected"),
    "Toshiba's write protection": (ssd(attribute(167, "SSD_Protect_Mode", 2)), "smart.write_protected"),
    "Lexar's, with a small letter": (ssd(attribute(167, "SSD_Protect_mode", 1)), "smart.write_protected"),
    "Intel's wear, in small letters": (ssd(attribute(233, "media_wearout_indicator", 0, value=1)), "smart.wear"),
    "a spare that is used up": (ssd(attribute(232, "Available_Reservd_Space", 7, value=0)), "smart.spare"),
    "spare blocks at their threshold, called old age": (ssd(at_threshold(170, "Spare_Block_Count")), "smart.prefail"),
    "failed erasures, called old age": (ssd(at_threshold(172, "Block_Erase_Failures")), "smart.prefail"),
    "SandForce's unreadable sectors": (
        ssd(attribute(198, "Uncorrectable_Sector_Ct", 3 << 32 | 52, text="3/52")), "smart.uncorrectable_sectors"
    ),
    "Apacer with another controller": (
        ssd(attribute(167, "SSD_Protect_Mode", 1), model_name="Apacer AS340 240GB", firmware_version="AP612PE0"),
        "smart.write_protected",
    ),
    "a rate of errors, called old age": (ata(at_threshold(200, "Multi_Zone_Error_Rate")), "smart.prefail"),
    "events of reallocation, called old age": (ata(at_threshold(196, "Reallocated_Event_Count")), "smart.prefail"),
    "heads of a drive with microwaves": (ata(at_threshold(27, "MAMR_Health_Monitor")), "smart.prefail"),
    "no attribute 197, and 198 bad": (
        without_197(attribute(198, "Offline_Uncorrectable", 9)), "smart.uncorrectable_sectors"
    ),
    "a hundred places of eight logical sectors": (
        ata(**BLOCKS_4K, **statistic(3, 32, "Reallocated", 800)), "smart.reallocated_sectors"
    ),
    "grown defects of flash by the hundred": (sas(**SAS_FLASH, scsi_grown_defect_list=900), "smart.retired_blocks"),
    "no rotation rate, and wear: flash": (
        ata(attribute(5, "Reallocated_Sector_Ct", 900), WEAR, rpm=None), "smart.retired_blocks"
    ),
    "more pending cells than come and go": (
        ssd(attribute(197, "Current_Pending_ECC_Cnt", 1), **statistic(1, 64, "Pending Error Count", 9)),
        "smart.pending_sectors",
    ),
    "impending failure of the controller": (exception(0x5D, 0x20), "smart.failing"),
    "endurance limit met": (exception(0x5D, 0x73), "smart.failing"),
    "its scan found unreadable places": (exception(0x0B, 0x05), "smart.failing"),
    "its cache is not safe": (exception(0x0B, 0x06), "smart.failing"),
    "a warning without a cause": (exception(0x0B, 0x00), "smart.failing"),
    "NVMe's spare below its threshold": (healthy.nvme(available_spare=9), "smart.spare"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_drive_is_found_by_whatever_it_says(name: str) -> None:
    document, code = BAD[name]
    verdict = smart_verdicts.of(document)
    assert (verdict.outcome, verdict.critical) == (FAILED, {code}), verdict.words


SOUND = {
    "a drive that says which controller it has": (ssd(WEAR, model_name="SandForce SATA SSD"), set()),
    "a password that was given": (ata(ata_security={"state": 3, "enabled": True, "locked": False}), set()),
    "no password": (ata(ata_security={"state": 41, "enabled": False, "frozen": True}), set()),
    "NVMe: refused commands, and blocks that nobody wrote": (nvme_log((0, 2), (2, 0x85), (2, 0x86), (2, 0x87)), set()),
    "a statistic that is not valid": (ata(**statistic(4, 8, "Uncorrectable", 500, valid=False)), set()),
    "a normalised statistic is no count": (ata(**statistic(3, 32, "Reallocated", 100, normalized=True)), set()),
    "a statistic at the host's own limit": (
        ata(**statistic(5, 8, "Current Temperature", 60, monitored_condition_met=True)), {"smart.drive_warns"}
    ),
    "a head that has left its limits": (ata(**statistic(4, 24, "Element Status", 1)), {"smart.drive_warns"}),
    "heads within their limits": (ata(**statistic(4, 24, "Element Status", 0)), set()),
    "places that the drive has replaced": (scanned(3, 2), set()),
    "places written again": (scanned(3, 5), set()),
    "a maker's own parameter among them": (sas(scsi_background_scan={
        "status": {"value": 8}, "result_2": {"parameter_code": 2},
        "result_32768": {"parameter_code": 0x8000, "sense_key": {"value": 3}, "reassign_status": {"value": 0}},
    }), set()),
    "errors of which the drive keeps no entry": (
        ata(ata_smart_error_log={"extended": {"count": 2, "table": [{"error_number": 2, "log_index": 1}]}}), set()
    ),
    "a weak place": (scanned(1, 1), {"smart.background_scan"}),
    "starts that attribute 10 denies": (
        ata(attribute(10, "Spin_Retry_Count", 0), **statistic(3, 48, "Start Failures", 28)), {"smart.spin_retries"}
    ),
    "a few spin retries": (ata(attribute(10, "Spin_Retry_Count", 2)), {"smart.spin_retries"}),
    "helium, normalised, with another raw unit": (ata(attribute(22, "Helium_Level", 6553700)), set()),
    "helium that begins to leak": (ata(attribute(22, "Helium_Level", 98, value=98, thresh=25)), {"smart.helium"}),
    "wear that rises from 1": (ssd(attribute(230, "Media_Wearout_Indicator", 7, value=1)), set()),
    "Phison's life in the raw value": (ssd(attribute(231, "SSD_Life_Left", 74)), set()),
    "SandForce's new drive": (ssd(attribute(231, "SSD_Life_Left", 0)), set()),
    "the standard's figure before the maker's": (
        ssd(attribute(177, "Wear_Leveling_Count", 900, value=0), **statistic(7, 8, "Endurance", 12)), set()
    ),
    "JMicron's unknown 187": (ssd(attribute(187, "Unknown_JMF_Attribute", 4711)), set()),
    "flash reads that the drive corrected": (ssd(attribute(187, "Total_Unc_NAND_Reads", 80)), set()),
    "factory bad blocks": (ssd(attribute(184, "Initial_Bad_Block_Count", 112)), set()),
    "pending cells that come and go": (ssd(attribute(197, "Current_Pending_ECC_Cnt", 1)), set()),
    "more of them": (ssd(attribute(197, "Current_Pending_ECC_Cnt", 6)), {"smart.pending_sectors"}),
    "a flash block of a new drive": (
        ssd(attribute(5, "Retired_Block_Count", 1), power_on_time={"hours": 20}), {"smart.retired_blocks"}
    ),
    "old age by hours": (
        ata(attribute(9, "Power_On_Hours", 80000, value=1, thresh=1, when_failed="now")), {"smart.prefail"}
    ),
    "aborted commands": (ata(**error_log(("ABRT", 20000), ("ABRT", 19999))), set()),
    "transfer errors": (ata(**error_log(("ICRC, ABRT 8 sectors at LBA = 0x8 = 8", 20000))), {"smart.error_log"}),
    "a place that was not found": (ata(**error_log(("IDNF at LBA = 0x0 = 0", 19900))), {"smart.error_log"}),
    "reads that failed long ago": (ata(**error_log(("UNC at LBA = 0x8 = 8", 900))), {"smart.recent_read_errors"}),
    "a few sectors that Samsung counts over the drive's life": (
        ata(attribute(197, "Total_Pending_Sectors", 3)), {"smart.reported_uncorrectable"}
    ),
    "a new drive of Fujitsu": (ata(attribute(198, "Offline_Scan_UNC_SectCt", 0)), set()),
    "no write protection": (ssd(attribute(167, "Write_Protect_Mode", 0)), set()),
    "a spare of which InnoDisk keeps nothing": (ssd(attribute(232, "Spares_Remaining_Perc", 0, value=0)), set()),
    "SandForce's drive without unreadable sectors": (
        ssd(attribute(198, "Uncorrectable_Sector_Ct", 52, text="0/52")), set()
    ),
    "erasures that smartctl calls write protection": (
        ssd(attribute(167, "SSD_Protect_Mode", 1), model_name="Apacer AS350 1TB", firmware_version="V4.25.0"), set()
    ),
    "flash without any offline capability": (ssd(ata_smart_data={"capabilities": {"values": [0, 3]}}), set()),
    "an unknown 167": (ssd(attribute(167, "Unknown_Attribute", 2, thresh=50)), set()),
    "slower links, called old age": (ata(at_threshold(183, "SATA_Downshift_Count")), {"smart.prefail"}),
    "heat by another name": (ata(at_threshold(194, "Device_Temperature")), {"smart.prefail"}),
    "a 197 that is something else by the database, and 198 good": (ata(attribute(197, "Not_In_Use", 4711)), set()),
    "no attribute 197, and 198 good": (without_197(attribute(198, "Offline_Uncorrectable", 0)), set()),
    "no attribute 197, and an error log that is empty": (
        without_197(ata_smart_error_log={"summary": {"revision": 1, "count": 0}}), set()
    ),
    "two places of eight logical sectors": (
        ata(attribute(5, "Reallocated_Sector_Ct", 2), **BLOCKS_4K, **statistic(3, 32, "Reallocated", 16)),
        {"smart.reallocated_sectors"},
    ),
    "logical sectors of one flash block": (ssd(**statistic(3, 32, "Reallocated", 2048)), set()),
    "grown defects of flash": (sas(**SAS_FLASH, scsi_grown_defect_list=37), {"smart.retired_blocks"}),
    "flash that names no rotation rate": (
        ata(attribute(5, "Reallocated_Sector_Ct", 12), WEAR, rpm=None), {"smart.retired_blocks"}
    ),
    "pending cells that come and go, by the statistics": (
        ssd(attribute(197, "Current_Pending_ECC_Cnt", 1), **statistic(1, 64, "Pending Error Count", 1)), set()
    ),
    "a statistic that the drive does not keep": (ata(**statistic(3, 48, "Start Failures", 0xFFFFFFFF)), set()),
    "a threshold of all the spare": (healthy.nvme(available_spare=99, available_spare_threshold=100), set()),
    "Phison's bad blocks": (
        ssd(attribute(170, "Bad_Blk_Ct_Erl/Lat", 298, text="0/298", value=100, thresh=10)), set()
    ),
    "an enclosure": (exception(0x0B, 0x02), {"smart.enclosure"}),
    "too cold": (exception(0x0B, 0x0B), {"smart.temperature"}),
    "humidity": (exception(0x0B, 0x0E), {"smart.drive_warns"}),
    "a failure that the host asked for": (exception(0x5D, 0xFF), {"smart.drive_warns"}),
    "NVMe's spare at its threshold": (healthy.nvme(available_spare=10), {"smart.spare"}),
    "a data path error noticed by flash": (ssd(attribute(184, "End-to-End_Error", 1)), {"smart.end_to_end"}),
}  # fmt: skip


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_drive_is_not_blamed_for_what_means_something_else(name: str) -> None:
    document, warnings = SOUND[name]
    verdict = smart_verdicts.of(document)
    assert (verdict.outcome, verdict.critical, verdict.warning) == (PASSED, set(), warnings), verdict.words


LOCKED = {"state": 7, "string": "ENABLED, PW level HIGH, **LOCKED** [SEC4]", "enabled": True, "locked": True}
UNKNOWN = {
    "a drive that waits for its password": (ata(ata_security=LOCKED), "the drive is locked with a password"),
    "a state of write protection that is no state": (
        ssd(attribute(167, "SSD_Protect_Mode", 64)), "167 SSD_Protect_Mode is 64, which is no state"
    ),
    "a drive that can test itself, and how the last test ended is missing": (
        ssd(ata_smart_data={"capabilities": {"values": [0x5B, 3]}}), "how the last self-test ended was not read"
    ),
    "a name that is none, and might be write protection": (
        ssd(WEAR, attribute(167, "SSD Pro\u00e4ct", 1)), "the name of attribute 167 was not read"
    ),
    "two rows of one attribute": (
        ata(attribute(5, "Reallocated_Sector_Ct", 0, value=99), attribute(5, "Reallocated_Sector_Ct", 4)),
        "attribute 5 has two different rows",
    ),
    "capabilities that can't be read": (
        ssd(ata_smart_data={"capabilities": {"values": ["0", 3]}}), "how the last self-test ended was not read"
    ),
    "nothing but a spare that is not kept": (
        ssd(ata_smart_attributes={"table": [attribute(232, "Spares_Remaining_Perc", 0, value=0)]}),
        "no attribute that counts errors or wear was read",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_number_of_unknown_meaning_is_not_tested(name: str) -> None:
    document, reason = UNKNOWN[name]
    verdict = smart_verdicts.of(document)
    assert (verdict.outcome, verdict.critical) == (NOT_TESTED, set()), verdict.words
    assert reason in verdict.words


@pytest.mark.parametrize(("asc", "ascq"), [(0x5D, 0x20), (0x0B, 0x02), (0x0B, 0x01)])
def test_the_sentence_of_a_sas_drive_is_shown(asc: int, ascq: int) -> None:
    assert f"what smartctl says (asc {asc:02x}h, ascq {ascq:02x}h)" in smart_verdicts.of(exception(asc, ascq)).words


@pytest.mark.parametrize(
    ("value", "text", "count"),
    [
        (16, "16", 16),
        (2000 << 32, "0 (2000 0)", 0),
        (1 << 32 | 1 << 16 | 1, "1 1 1", 1),
        (7 << 24 | 300, "300 (0 0 7)", 300),
        (0x50 << 16 | 0x40, "64 (Average 80)", 64),
        (0x0064, "0x000000000064", 100),
        (12, "13", None),
        (12, "12h+30m", None),
        (12, "0/12", 0),
        (3 << 32 | 12, "3/12", 3),
        (3 << 24 | 12, "3/12", 3),
        (12, "3/12", None),
        (12, "garbled", None),
    ],
)
def test_a_raw_value_counts_as_smartctl_prints_it(value: int, text: str, count: int | None) -> None:
    assert in_its_format(value, text) == count
