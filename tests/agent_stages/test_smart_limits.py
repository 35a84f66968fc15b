"""What a drive's counters mean, on recorded drives and on the holes of other testers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from agent.contract import wire
from agent.parsing import ParseError
from agent.probes.smart import smartctl
from agent.probes.smart.smart_attributes import Attribute
from agent.probes.smart.smart_nvme import NvmeHealth
from agent.probes.smart.smart_self_test import Entry, SelfTest
from agent.probes.smart.smartctl import Smart
from agent.stages.smart import smart_limits
from tests.agent_stages import healthy
from tests.agent_stages.recordings import recorded
from tests.agent_stages.smart_verdicts import LIMITS

GOOD = Smart(exit_status=0, protocol="ATA", passed=True)
NVME = NvmeHealth(0, 0, 3, 100, 10)


def judge(smart: Smart) -> dict[str, wire.Severity]:
    found = smart_limits.judge(smart, "sda", "S1", LIMITS.__getitem__)
    assert all(finding.component == "S1" and "sda" in finding.message for finding in found)
    return {finding.code: finding.severity for finding in found}


def critical(smart: Smart) -> set[str]:
    return {code for code, severity in judge(smart).items() if severity is wire.Severity.CRITICAL}


@pytest.mark.parametrize("name", ["qemu-q35-nvme.json", "qemu-q35-sata.json"])
def test_healthy_drives_of_a_virtual_machine_are_healthy(name: str) -> None:
    smart = smartctl.parse(recorded("smartctl", name))
    assert smart.trouble == ""
    assert judge(smart) == {}


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("virtio-vm.json", "Unable to detect device type"),
        ("qemu-q35-usb.json", "Unknown USB bridge"),
        ("qemu-q35-scsi.json", "no health status"),
    ],
)
def test_a_drive_that_cannot_be_asked_says_why(name: str, word: str) -> None:
    assert word in smartctl.parse(recorded("smartctl", name)).trouble


@pytest.mark.parametrize("status", [4, 32, 64, 128, 68, 4 | 32 | 64, 4 | 32 | 64 | 128])
def test_bits_of_the_past_condemn_no_healthy_drive(status: int) -> None:
    assert critical(replace(GOOD, exit_status=status)) == set()


@pytest.mark.parametrize(("status", "code"), [(8, "smart.failing"), (16, "smart.prefail"), (8 | 64, "smart.failing")])
def test_bits_of_now_do(status: int, code: str) -> None:
    assert code in critical(replace(GOOD, exit_status=status))


@pytest.mark.parametrize(("prefailure", "severity"), [(True, wire.Severity.CRITICAL), (False, wire.Severity.WARNING)])
def test_an_attribute_of_age_at_its_threshold_is_no_failure_to_come(prefailure: bool, severity: wire.Severity) -> None:
    attribute = Attribute(190, "Airflow_Temperature_Cel", 40, 45, 60, "now", prefailure)
    assert judge(replace(GOOD, attributes={190: attribute})) == {"smart.prefail": severity}


def test_a_drive_that_says_passed_and_has_304_reallocated_sectors_fails() -> None:
    drive = replace(GOOD, attributes={5: Attribute(5, "Reallocated_Sector_Ct", 90, 36, 304)})
    assert critical(drive) == {"smart.reallocated_sectors"}


def test_a_few_reallocated_sectors_are_a_warning() -> None:
    drive = replace(GOOD, attributes={5: Attribute(5, "Reallocated_Sector_Ct", 100, 36, 2)})
    assert judge(drive) == {"smart.reallocated_sectors": wire.Severity.WARNING}


def test_a_drive_that_says_ok_and_has_260_grown_defects_fails() -> None:
    assert critical(replace(GOOD, protocol="SCSI", grown_defects=260)) == {"smart.grown_defects"}


def test_an_nvme_drive_with_media_errors_fails_though_it_says_passed() -> None:
    assert critical(replace(GOOD, nvme=replace(NVME, media_errors=7))) == {"smart.media_errors"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"critical_warning": 4}, "smart.critical_warning"),
        ({"percentage_used": 100}, "smart.wear"),
        ({"spare_percent": 9}, "smart.spare"),
    ],
)
def test_nvme_limits(change: dict[str, Any], code: str) -> None:
    assert critical(replace(GOOD, nvme=replace(NVME, **change))) == {code}


def test_crc_errors_are_the_cables_and_only_a_warning() -> None:
    drive = replace(GOOD, attributes={199: Attribute(199, "UDMA_CRC_Error_Count", 200, 0, 5000)})
    assert judge(drive) == {"smart.crc_errors": wire.Severity.WARNING}


def test_seagates_packed_timeouts_are_unpacked() -> None:
    packed = {188: Attribute(188, "Command_Timeout", 100, 0, 0x0003_0002_0000)}
    assert judge(replace(GOOD, attributes=packed)) == {}


def test_what_a_maker_keeps_above_the_count_of_reallocated_sectors_is_no_sector() -> None:
    row = healthy.attribute(5, "Reallocated_Sector_Ct", 2000 << 32, text="0 (2000 0)")
    assert judge(smartctl.parse(json.dumps(healthy.ata(row)))) == {}


def test_a_new_drive_has_no_reallocated_sector_though_an_old_one_may() -> None:
    drive = replace(GOOD, attributes={5: Attribute(5, "Reallocated_Sector_Ct", 100, 36, 1)})
    assert critical(replace(drive, power_on_hours=20)) == {"smart.reallocated_sectors"}
    assert critical(replace(drive, power_on_hours=20_000)) == set()


def test_a_counter_that_smartctls_database_calls_bogus_is_no_counter() -> None:
    drive = replace(GOOD, attributes={197: Attribute(197, "Bogus_Current_Pend_Sect", 100, 0, 1)}, pending_defects=1)
    assert judge(drive) == {}


def test_a_drive_without_the_attribute_tells_pending_sectors_by_its_log() -> None:
    assert critical(replace(GOOD, pending_defects=3)) == {"smart.pending_sectors"}


def test_a_warm_nvme_drive_is_a_warning_here_and_the_temperature_limits_business() -> None:
    warm = replace(GOOD, passed=False, exit_status=8, nvme=replace(NVME, critical_warning=2))
    assert judge(warm) == {"smart.critical_warning": wire.Severity.WARNING}
    failing = replace(warm, nvme=replace(NVME, critical_warning=6))
    assert critical(failing) == {"smart.critical_warning", "smart.failing"}


@pytest.mark.parametrize(
    "text",
    [
        '"ata_device_statistics": {"pages": [{"number": 7, "table": [{"offset": 8, "value": 100,'
        ' "flags": {"valid": true}}]}]}',
        '"scsi_percentage_used_endurance_indicator": 100',
    ],
)
def test_a_worn_out_ssd_fails_on_sata_and_sas_too(text: str) -> None:
    smart = smartctl.parse('{"smartctl": {"exit_status": 0}, "smart_status": {"passed": true}, ' + text + "}")
    assert critical(smart) == {"smart.wear"}


@pytest.mark.parametrize(
    ("log", "is_failed"),
    [
        ([Entry("short", False)], True),
        ([Entry("short", None), Entry("short", False)], True),
        ([Entry("short", True), Entry("short", False)], False),
        ([Entry("long", True), Entry("short", False)], False),
        # A short test looks at little: it clears no long one.
        ([Entry("short", True), Entry("long", False)], True),
        ([Entry("short", None)], False),
        # A test of another kind, such as a maker's own, clears none.
        ([Entry("type 80", True), Entry("selective", False)], True),
        ([Entry("selective", True), Entry("selective", False)], False),
        ([Entry("", True), Entry("", False)], True),
    ],
)
def test_a_failed_self_test_counts_until_a_newer_one_of_its_kind_or_a_long_one_passed(
    log: list[Entry], is_failed: bool
) -> None:
    found = critical(replace(GOOD, exit_status=128, self_test=SelfTest(can=True, entries=tuple(log))))
    assert found == ({"smart.self_test_failed"} if is_failed else set())


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"smartctl": []}', '{"smartctl": {"exit_status": "x"}}'])
def test_what_is_not_smartctls_is_a_parse_error(text: str) -> None:
    with pytest.raises(ParseError):
        smartctl.parse(text)
