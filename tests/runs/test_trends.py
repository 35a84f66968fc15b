"""What a stage's numbers come to beside earlier runs and equal parts."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agent.contract import wire
from hosts.models import Host
from runs import freeze, stage_results
from runs.judging import comparisons, trends
from runs.judging.trends import EarlierRun
from runs.models import Outcome, Run, StageRun
from runs.profiles import load as profiles
from tests.rows import a_host, a_run, a_stage

SMART = profiles.load("quick")["stages"]["SMART"]["limits"]
STORAGE = profiles.load("quick")["stages"]["Storage"]["limits"]
CRITICAL, WARNING = wire.Severity.CRITICAL, wire.Severity.WARNING


def earlier(number: int, passed: bool, **numbers: float) -> EarlierRun:
    return EarlierRun(number, "2026-01-02", passed, {f"{name}.S1": value for name, value in numbers.items()})


def judge(
    limits: dict[str, Any], runs: list[EarlierRun], peers: list[float] | None = None, **numbers: float
) -> dict[str, wire.Severity]:
    own = {f"{name}.S1": value for name, value in numbers.items()}
    found = trends.judge(own, limits, runs, {key: peers or [] for key in own})
    assert all(finding.component == "S1" and finding.component_kind == "disk" for finding in found)
    return {finding.code: finding.severity for finding in found}


@pytest.mark.parametrize(
    "number",
    ["reallocated_sectors", "reported_uncorrectable", "grown_defects", "uncorrected_errors", "media_errors"],
)
def test_a_drive_that_loses_more_fails_and_one_that_has_lost_does_not(number: str) -> None:
    before = [earlier(3, True, **{number: 2.0})]
    assert judge(SMART, before, **{number: 2.0}) == {}
    assert judge(SMART, before, **{number: 3.0}) == {f"smart.{number}": CRITICAL}


CPU = profiles.load("quick")["stages"]["CPUStress"]["limits"]


@pytest.mark.parametrize(
    ("before", "now", "is_told"),
    [(43_000, 12, True), (43_000, 43_010, False), (43_000, 42_990, False), (65_500, 20, False), (70_000, 4_464, True)],
)
def test_a_drive_that_is_younger_than_before_has_forgotten_what_it_counted(
    before: float, now: float, is_told: bool
) -> None:
    """Repaired elsewhere, and its counts set back. Hours of 16 bits begin again."""
    found = judge(SMART, [earlier(2, True, power_on_h=before)], power_on_h=now)
    assert found == ({"smart.counts_reset": WARNING} if is_told else {})


def cpu(setting: str, earlier_setting: str, **numbers: tuple[float, float]) -> dict[str, wire.Severity]:
    """What CPU0 is blamed for, by numbers before and now."""
    before = {f"{name}.CPU0": then for name, (then, _) in numbers.items()}
    found = trends.judge(
        {f"{name}.CPU0": now for name, (_, now) in numbers.items()},
        CPU, [EarlierRun(3, "2026-01-02", True, before, earlier_setting)], {}, setting,
    )  # fmt: skip
    assert all((finding.component_kind, finding.component) == ("cpu", "CPU0") for finding in found)
    return {finding.code: finding.severity for finding in found}


@pytest.mark.parametrize(
    ("now", "found"),
    [
        (950.0, {}),
        (850.0, {"cpu.slower_than_before": WARNING}),
        (700.0, {"cpu.slower_than_before": CRITICAL}),
    ],
)
def test_a_cpu_is_set_beside_its_own_last_good_run(now: float, found: dict[str, wire.Severity]) -> None:
    assert cpu("a", "a", cpu_bogo_ops_s=(1000.0, now)) == found


@pytest.mark.parametrize(
    ("now", "found"),
    [
        (0.20, {}),
        (0.34, {}),
        (0.40, {"thermal.worse_than_before": WARNING}),
        (0.50, {"thermal.worse_than_before": CRITICAL}),
    ],
)
def test_a_heatsink_that_carries_less_heat_than_it_did_is_found(now: float, found: dict[str, wire.Severity]) -> None:
    assert cpu("a", "a", thermal_resistance_c_w=(0.30, now)) == found


@pytest.mark.parametrize(
    ("number", "before", "now", "found"),
    [
        ("clock_load_mhz", 3000.0, 2750.0, {}),
        ("clock_load_mhz", 3000.0, 2600.0, {"cpu.clock_below_before": WARNING}),
        ("clock_load_mhz", 3000.0, 3600.0, {}),
        ("power_load_w", 150.0, 131.0, {}),
        ("power_load_w", 150.0, 120.0, {"cpu.power_below_before": WARNING}),
        ("power_load_w", 150.0, 180.0, {}),
    ],
)
def test_clock_and_power_that_a_cpu_no_longer_sustains_are_a_warning(
    number: str, before: float, now: float, found: dict[str, wire.Severity]
) -> None:
    assert cpu("a", "a", **{number: (before, now)}) == found
    assert cpu("a", "b", **{number: (before, now)}) == {}


def test_a_run_of_another_length_or_microcode_is_no_measure_for_a_cpu() -> None:
    assert cpu("a", "b", cpu_bogo_ops_s=(1000.0, 100.0), thermal_resistance_c_w=(0.3, 3.0)) == {}


def test_what_was_never_counted_before_has_not_grown() -> None:
    assert judge(SMART, [earlier(3, True, power_on_h=5.0)], media_errors=7.0) == {}
    assert judge(SMART, [], media_errors=7.0) == {}


def test_a_drive_that_failed_for_its_growth_fails_when_it_is_tried_again() -> None:
    runs = [earlier(5, False, media_errors=4.0), earlier(4, True, media_errors=0.0), earlier(3, True, media_errors=0.0)]
    assert judge(SMART, runs, media_errors=4.0) == {"smart.media_errors": CRITICAL}


def test_without_any_good_run_the_first_on_record_is_the_measure() -> None:
    runs = [earlier(5, False, media_errors=4.0), earlier(4, False, media_errors=1.0)]
    assert judge(SMART, runs, media_errors=4.0) == {"smart.media_errors": CRITICAL}


def test_errors_of_the_cable_are_told_and_condemn_nobody() -> None:
    assert judge(SMART, [earlier(3, True, crc_errors=1.0)], crc_errors=900.0) == {"smart.crc_errors": WARNING}


@pytest.mark.parametrize(("now", "severity"), [(10.0, None), (11.0, WARNING), (60.0, WARNING), (61.0, CRITICAL)])
def test_the_error_log_is_old_news_until_it_grows(now: float, severity: wire.Severity | None) -> None:
    found = judge(SMART, [earlier(3, True, error_log=10.0)], error_log=now)
    assert found == ({"smart.error_log": severity} if severity else {})


@pytest.mark.parametrize(("now", "severity"), [(180.0, None), (179.0, WARNING), (80.0, WARNING), (79.0, CRITICAL)])
def test_a_slower_disk_is_set_beside_its_last_good_run(now: float, severity: wire.Severity | None) -> None:
    runs = [earlier(5, False, seq_read_mb_s=20.0), earlier(4, True, seq_read_mb_s=200.0)]
    found = judge(STORAGE, runs, seq_read_mb_s=now)
    assert found == ({"storage.slower_than_before": severity} if severity else {})


@pytest.mark.parametrize(
    ("own", "peers", "slower"),
    [
        # On a calm bench, four equal sound disks: the one that was measured first.
        (1271.0, [1516.0, 1490.0, 1541.0], False),
        (1271.0, [1516.0, 1516.0, 1516.0], False),
        (758.0, [1516.0, 1490.0, 1541.0], True),
        # A second disk that is slow does not hide the first.
        (758.0, [1516.0, 1490.0, 770.0], True),
        (100.0, [900.0] * 3, True),
        (100.0, [101.0] * 9, False),
        # Two are no number.
        (100.0, [200.0] * 2, False),
        (1.0, [200.0] * 2, False),
        (100.0, [], False),
        # They differ as much among themselves: on other hosts, of other ages, full and empty ones.
        (700.0, [900.0, 1500.0, 2100.0, 1200.0, 1800.0], False),
        (400.0, [500.0, 1000.0, 2000.0], False),
        # Many that agree, and some that don't.
        (150.0, [250.0, 252.0, 249.0, 251.0, 248.0, 90.0, 250.0], True),
        # Hard disks, filled differently.
        (172.0, [210.0, 190.0, 205.0, 199.0], False),
    ],
)
def test_a_disk_is_slower_than_its_peers_only_by_their_number_and_their_spread(
    own: float, peers: list[float], slower: bool
) -> None:
    found = judge(STORAGE, [], peers, seq_read_mb_s=own)
    assert found == ({"storage.slower_than_peers": WARNING} if slower else {})


def test_a_drive_that_is_gone_from_behind_its_volume_is_missed() -> None:
    assert judge(SMART, [earlier(3, True, raid_drives=4.0)], raid_drives=4.0) == {}
    assert judge(SMART, [earlier(3, True, raid_drives=4.0)], raid_drives=3.0) == {"smart.raid_drive_gone": CRITICAL}


# --- with rows ----------------------------------------------------------------------------------------------------


def disk(serial: str, model: str = "ACME HD4000", bus: str = "sata") -> dict[str, Any]:
    return {"name": "sda", "serial": serial, "wwn": "", "bus": bus, "size_mb": 256, "model": model}


def a_run_with(host: Host, *disks: dict[str, Any], verdict: str = "passed") -> Run:
    profile = {"name": "quick", "stages": {"SMART": {"limits": SMART}, "Storage": {"limits": STORAGE}}}
    state = "Completed" if verdict == "passed" else "Failed"
    return a_run(host, inventory={"disks": list(disks)}, profile=profile, verdict=verdict, state=state)


def kept(run: Run, stage: str, numbers: dict[str, float]) -> StageRun:
    """The stage as it is after an agent that saw nothing wrong has sent its result."""
    row = a_stage(run, stage, outcome="")
    stage_results.keep(row, wire.Result("boot", stage, 1, wire.Outcome.PASSED, "", 1.0, 2.0, numbers=numbers))
    return row


@pytest.mark.django_db
def test_growth_fails_the_stage_whatever_the_agent_called_it() -> None:
    host = a_host()
    kept(a_run_with(host, disk("S1")), "SMART", {"media_errors.S1": 0.0})
    row = kept(a_run_with(host, disk("S1")), "SMART", {"media_errors.S1": 2.0})
    assert row.outcome == Outcome.FAILED
    assert [(one.code, one.component, one.value) for one in row.findings.all()] == [("smart.media_errors", "S1", 2.0)]


@pytest.mark.django_db
def test_a_host_that_failed_for_something_else_had_a_good_disk() -> None:
    host = a_host()
    kept(a_run_with(host, disk("S1"), verdict="failed"), "SMART", {"media_errors.S1": 0.0})
    row = kept(a_run_with(host, disk("S1"), verdict="failed"), "SMART", {"media_errors.S1": 2.0})
    assert row.outcome == Outcome.FAILED
    again = kept(a_run_with(host, disk("S1")), "SMART", {"media_errors.S1": 2.0})
    assert [one.value for one in again.findings.all()] == [2.0]


@pytest.mark.django_db
def test_another_disk_in_the_same_slot_has_no_past() -> None:
    host = a_host()
    kept(a_run_with(host, disk("S1")), "SMART", {"media_errors.S1": 0.0})
    assert kept(a_run_with(host, disk("S2")), "SMART", {"media_errors.S2": 2.0}).outcome == Outcome.PASSED
    nameless = disk("")
    kept(a_run_with(host, nameless), "SMART", {"media_errors.sda": 0.0})
    assert kept(a_run_with(host, nameless), "SMART", {"media_errors.sda": 2.0}).outcome == Outcome.PASSED


@pytest.mark.django_db
def test_other_hosts_disks_of_the_model_are_its_peers_and_other_models_are_not() -> None:
    for number in range(3):
        other = a_host(f"node-{number + 2}", f"52:54:00:00:00:1{number}")
        kept(a_run_with(other, disk(f"P{number}")), "Storage", {f"seq_read_mb_s.P{number}": 200.0})
    host = a_host()
    row = kept(a_run_with(host, disk("S1")), "Storage", {"seq_read_mb_s.S1": 100.0})
    assert [one.code for one in row.findings.all()] == ["storage.slower_than_peers"]
    row = kept(a_run_with(host, disk("S2", "ACME HD8000")), "Storage", {"seq_read_mb_s.S2": 100.0})
    assert not row.findings.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(("size_mb", "peers"), [(1_830_000, True), (1_829_000, True), (915_000, False)])
def test_volumes_of_one_controller_model_are_peers_only_when_they_have_one_size(size_mb: int, peers: bool) -> None:
    """A mirror of hard disks and a stripe of flash are both a PERC H730."""
    for number in range(3):
        other = a_host(f"node-{number + 2}", f"52:54:00:00:00:1{number}")
        volume = {**disk(f"P{number}", "PERC H730 Mini", "scsi"), "size_mb": size_mb}
        kept(a_run_with(other, volume), "Storage", {f"seq_read_mb_s.P{number}": 900.0})
    mine = {**disk("S1", "PERC H730 Mini", "scsi"), "size_mb": 1_830_000}
    row = kept(a_run_with(a_host(), mine), "Storage", {"seq_read_mb_s.S1": 200.0})
    assert row.findings.exists() is peers


@pytest.mark.django_db
@pytest.mark.parametrize("virtual", [disk("S1", "QEMU HARDDISK"), disk("S1", "", "virtio")])
def test_a_virtual_disk_has_no_pace_of_its_own(virtual: dict[str, Any]) -> None:
    host = a_host()
    kept(a_run_with(host, virtual), "Storage", {"seq_read_mb_s.S1": 2000.0})
    assert not kept(a_run_with(host, virtual), "Storage", {"seq_read_mb_s.S1": 100.0}).findings.exists()


def cpu_run(host: Host, bogo_ops_s: float, clock_mhz: float | None, microcode: str) -> StageRun:
    """CPUStress of a run on `host`, whose CPU did so much."""
    run = a_run_with(host, disk("S1"))
    run.inventory["cpu"] = {"model": "EPYC 7313P", "microcode": microcode}
    run.profile["stages"]["CPUStress"] = {"params": {"duration_s": 120}, "limits": CPU}
    run.save()
    numbers = {"cpu_bogo_ops_s.CPU0": bogo_ops_s}
    return kept(run, "CPUStress", {**numbers, "clock_load_mhz.CPU0": clock_mhz} if clock_mhz else numbers)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("clock_mhz", "microcode", "codes"),
    [(3000.0, "0x1", ["cpu.slower_than_before"]), (None, "0x1", []), (3000.0, "0x2", [])],
)
def test_a_cpus_pace_is_compared_on_real_machines_with_the_same_microcode(
    clock_mhz: float | None, microcode: str, codes: list[str]
) -> None:
    host = a_host()
    cpu_run(host, 1000.0, 3000.0, "0x1")
    assert [one.code for one in cpu_run(host, 500.0, clock_mhz, microcode).findings.all()] == codes


@pytest.mark.django_db
def test_what_was_accepted_is_no_measure_and_what_grows_after_it_is_told() -> None:
    """The way out of a growth that would fail the host for as long as the good run before it is on record."""
    host = a_host()
    old = a_run_with(host, disk("S1"))
    Run.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=30))
    kept(old, "SMART", {"media_errors.S1": 0.0})
    assert kept(a_run_with(host, disk("S1")), "SMART", {"media_errors.S1": 2.0}).outcome == Outcome.FAILED
    host.compared_since = timezone.now() - timedelta(days=1)
    host.save()

    def another(errors: float) -> StageRun:
        run = a_run_with(host, disk("S1"))
        run.compared_since = freeze.frozen(host, profiles.load("quick"))["compared_since"]
        run.save()
        return kept(run, "SMART", {"media_errors.S1": errors})

    assert another(2.0).outcome == Outcome.PASSED
    assert another(3.0).outcome == Outcome.FAILED


# As a column, not as what the database takes a part out of.
WHOLE = r'(?<!\()"runs_run"\."(inventory|profile)"'


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("stage", "number", "most"), [("SMART", "media_errors", 1), ("Storage", "seq_read_mb_s", 2), ("Firmware", "", 1)]
)
def test_a_result_asks_little_of_other_runs_however_many_there_are(stage: str, number: str, most: int) -> None:
    """While a result is taken no other can be: whole inventories and profiles of fifty runs are not read then."""
    for count in (1, 20):
        host = a_host(f"node-{count}", f"52:54:00:00:00:{count:02x}")
        for _ in range(count):
            kept(a_run_with(host, disk("S1")), stage, {f"{number}.S1": 1.0} if number else {})
        row = a_stage(a_run_with(host, disk("S1")), stage, outcome="", numbers={f"{number}.S1": 1.0} if number else {})
        with CaptureQueriesContext(connection) as asked:
            comparisons.findings_of(row)
        assert len(asked) == most
        columns = [query["sql"].partition(" FROM ")[0] for query in asked]
        assert stage == "Firmware" or not any(re.search(WHOLE, text) for text in columns)
