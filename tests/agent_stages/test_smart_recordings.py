"""Whole readings of drives, and the right verdict on each. Most are cut down from what owners have published."""

from __future__ import annotations

import pytest

from agent.contract import wire
from tests.agent_stages import smart_verdicts
from tests.agent_stages.recordings import RECORDED, recorded
from tests.agent_stages.smart_verdicts import FAILED, NOT_TESTED, PASSED

# By recording: the result, codes of critical findings, of warnings, and a word of the sentences.
VERDICTS: dict[str, tuple[wire.Outcome, set[str], set[str], str]] = {
    "qemu-q35-nvme": (PASSED, set(), set(), ""),
    "qemu-q35-sata": (PASSED, set(), set(), ""),
    "qemu-q35-scsi": (NOT_TESTED, set(), set(), "no health status"),
    "qemu-q35-usb": (NOT_TESTED, set(), set(), "Unknown USB bridge"),
    "virtio-vm": (NOT_TESTED, set(), set(), "Unable to detect device type"),
    "written-apacer-as340-erase-counts": (PASSED, set(), set(), ""),
    "written-ata-log-unc-this-hour": (FAILED, {"smart.recent_read_errors"}, set(), "4 reads that failed"),
    "written-crc-three-million": (PASSED, set(), {"smart.crc_errors"}, "3118119 crc errors"),
    "written-end-to-end-error-failing-now": (
        FAILED, {"smart.prefail", "smart.end_to_end"}, set(), "End-to-End_Error is 91, at its threshold of 99"
    ),
    "written-helium-82": (FAILED, {"smart.helium"}, set(), "Helium_Level is 82"),
    "written-hgst-no-187-devstat-uncorrectable": (FAILED, {"smart.reported_uncorrectable"}, set(), "500 reported"),
    "written-hitachi-187-in-words": (PASSED, set(), {"smart.command_timeouts"}, "6347 command timeouts"),
    "written-hot-in-the-past": (PASSED, set(), {"smart.past_prefail"}, "Airflow_Temperature_Cel was at its threshold"),
    "written-innodisk-spare-not-kept": (PASSED, set(), set(), ""),
    "written-ironwolf-5-packed": (PASSED, set(), set(), ""),
    "written-kingston-life-left-zero": (FAILED, {"smart.wear"}, set(), "100 % of the rated writes"),
    "written-lexar-read-only": (FAILED, {"smart.write_protected"}, {"smart.retired_blocks"}, "SSD_Protect_Mode is 1"),
    "written-mx500-197-flips": (PASSED, set(), set(), ""),
    "written-mx500n-not-in-database": (
        NOT_TESTED, set(), set(), "197 Current_Pending_Sector is 1, and smartctl's database does not have this model"
    ),
    "written-no-status-but-2000-pending": (
        FAILED, {"smart.pending_sectors", "smart.reallocated_sectors"}, set(), "2000 pending sectors"
    ),
    "written-nvme-error-log-only": (PASSED, set(), set(), ""),
    "written-nvme-hot-only": (PASSED, set(), {"smart.critical_warning"}, "temperature"),
    "written-nvme-three-media-errors": (FAILED, {"smart.media_errors"}, set(), "3 media errors"),
    "written-nvme-worn-0x04": (
        FAILED, {"smart.failing", "smart.wear", "smart.critical_warning"}, set(), "reliability degraded"
    ),
    "written-ocz-intrepid-host-reads": (PASSED, set(), set(), ""),
    "written-outdated-long-failure": (PASSED, set(), set(), ""),
    "written-passed-without-any-attribute": (NOT_TESTED, set(), set(), "neither attributes"),
    "written-pending-624": (
        FAILED, {"smart.pending_sectors", "smart.uncorrectable_sectors", "smart.reallocated_sectors"},
        {"smart.error_log"}, "624 pending sectors",
    ),
    "written-pending-log-beats-zero-197": (FAILED, {"smart.pending_sectors"}, set(), "12 pending sectors"),
    "written-phison-not-in-use": (PASSED, set(), set(), ""),
    "written-phison-s10-failed-reads": (PASSED, set(), set(), ""),
    "written-phison-without-self-tests": (PASSED, set(), set(), ""),
    "written-reallocated-8256-short-failed": (
        FAILED, {"smart.reallocated_sectors", "smart.self_test_failed"}, {"smart.past_prefail"}, "8256 reallocated"
    ),
    "written-reason-is-another-message": (NOT_TESTED, set(), set(), "no health status"),
    "written-sandforce-198-of-how-many": (PASSED, set(), set(), ""),
    "written-sandforce-255-percent-used": (PASSED, set(), set(), ""),
    "written-sandforce-not-in-database": (PASSED, set(), set(), ""),
    "written-sas-background-scan-unrecovered": (FAILED, {"smart.background_scan"}, set(), "its own scan can't read"),
    "written-sas-ie-disabled-says-passed": (NOT_TESTED, set(), set(), "SMART is switched off"),
    "written-sas-predicts-failure": (FAILED, {"smart.failing"}, set(), "DATA ERROR RATE TOO HIGH (asc 5dh, ascq 32h)"),
    "written-sas-too-warm": (PASSED, set(), {"smart.temperature"}, "specified temperature exceeded"),
    "written-seagate-188-packed": (PASSED, set(), set(), ""),
    "written-self-test-hours-wrapped": (PASSED, set(), set(), ""),
    "written-selftest-status-read-failure-no-log": (FAILED, {"smart.self_test_failed"}, set(), "a read failure"),
    "written-smart-off": (NOT_TESTED, set(), set(), "SMART is switched off"),
    "written-spare-equals-threshold": (PASSED, set(), {"smart.spare"}, "99 % left, threshold 99 %"),
    "written-ssd-life-at-own-threshold": (FAILED, {"smart.prefail"}, set(), "Percent_Lifetime_Remain is 1"),
    "written-ssd-twelve-nand-blocks": (PASSED, set(), {"smart.retired_blocks"}, "12 retired blocks"),
}  # fmt: skip


@pytest.mark.parametrize("name", VERDICTS)
def test_a_recorded_drive_gets_its_right_verdict(name: str) -> None:
    outcome, critical, warning, word = VERDICTS[name]
    verdict = smart_verdicts.of(recorded("smartctl", f"{name}.json"))
    assert verdict[:3] == (outcome, critical, warning), verdict.words
    assert word in verdict.words


def test_every_recording_has_a_verdict() -> None:
    assert {path.stem for path in (RECORDED / "smartctl").glob("*.json")} == set(VERDICTS)
