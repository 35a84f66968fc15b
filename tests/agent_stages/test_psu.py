"""PSU: how supplies share a load, and a host whose BMC says nothing."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from agent.contract import wire
from agent.host.stop import StopFlag
from agent.probes.bmc import bmc_fans, ipmitool, redundancy, supplies
from agent.reports.partial_report import PartialReport
from agent.sensors import readings
from agent.stage_functions import STAGES
from agent.stages.psu import stage as psu
from agent.stages.psu import supply_look
from agent.stages.psu.supply_look import Look
from tests.agent_stages.contexts import context
from tests.agent_stages.test_cpu import STRESS_NG

SDR = """PS1 Status       | 77h | ok  | 10.1 | Presence detected
PS2 Status       | 78h | ok  | 10.2 | Presence detected
PS1 Input Power  | 79h | ok  | 10.1 | 210 Watts
PS2 Input Power  | 7Ah | ok  | 10.2 | 40 Watts
PS1 Output Power | 7Bh | ok  | 10.1 | 190 Watts
PS Redundancy    | 7Ch | ok  |  7.1 | Fully Redundant
"""


def look() -> Look:
    rows = ipmitool.parse_sdr(SDR)
    return supply_look.seen("under load", rows)


def test_each_supplys_watts_are_its_first_sensors() -> None:
    assert look().watts == {"PS1": 210.0, "PS2": 40.0}


def test_a_supply_that_carries_little_is_a_warning_about_it() -> None:
    report = PartialReport()
    psu._shared(look(), 0.8, report)
    assert [(one.code, one.component, one.severity, one.limit) for one in report.findings] == [
        ("psu.share", "PS2", wire.Severity.WARNING, 100.0)
    ]
    assert report.checks[0].outcome is wire.Outcome.PASSED


def test_supplies_that_share_evenly_are_no_finding_and_one_alone_is_not_tested() -> None:
    report = PartialReport()
    psu._shared(Look("under load", [], [], watts={"PS1": 120.0, "PS2": 131.0}), 0.8, report)
    psu._shared(Look("under load", [], [], watts={"PS1": 120.0}), 0.8, report)
    assert report.findings == []
    assert [check.outcome for check in report.checks] == [wire.Outcome.PASSED, wire.Outcome.NOT_TESTED]


def test_supplies_that_were_read_after_the_load_are_not_said_to_share_it_badly() -> None:
    report = PartialReport()
    psu._shared(replace(look(), when="as the load ended"), 0.8, report)
    assert report.findings == []
    assert [check.outcome for check in report.checks] == [wire.Outcome.NOT_TESTED]


HPE = """Power Supply 1   | 30h | ok  | 10.1 | 115 Watts, Presence detected
Power Supply 2   | 31h | ok  | 10.2 | 5 Watts, Presence detected, Predictive failure
Power Supplies   | 32h | ok  | 10.3 | Redundancy Lost
"""
DELL = """Status           | 85h | ok  | 10.1 | Presence detected
Status           | 86h | ok  | 10.2 | Presence detected, Power Supply AC lost
PS Redundancy    | 77h | ok  |  7.1 | Disabled
"""
TWO_SENSORS = """PS1 Status       | 77h | ok  | 10.1 | Presence detected
PS1 Fail         | 78h | ok  | 19.1 | State Deasserted, Presence detected
"""


@pytest.mark.parametrize(
    ("sdr", "told"),
    [
        (HPE, [("Power Supply 1", True, True), ("Power Supply 2", True, True)]),
        (DELL, [("Status 10.1", True, True), ("Status 10.2", True, False)]),
        (TWO_SENSORS, [("PS1", True, True)]),
    ],
)
def test_supplies_are_told_apart_however_their_maker_calls_them(sdr: str, told: list[tuple[str, bool, bool]]) -> None:
    """The first two as these makers' BMCs print them, by their documentation: no such machine was at hand. The last is
    made up: two sensors of one supply that stand at different entities."""
    found = supplies.power_supplies(ipmitool.parse_sdr(sdr))
    assert [(supply.name, supply.present, supply.ok) for supply in found] == told


def test_a_supply_that_expects_to_fail_is_a_warning_about_it_once() -> None:
    report, rows = PartialReport(), ipmitool.parse_sdr(HPE)
    looks = [Look(when, supplies.power_supplies(rows), []) for when in ("before", "after")]
    psu.judge(["Power Supply 1", "Power Supply 2"], looks, report)
    assert [(one.code, one.component, one.severity) for one in report.findings] == [
        ("psu.predicted_failure", "Power Supply 2", wire.Severity.WARNING)
    ]
    assert {check.outcome for check in report.checks} == {wire.Outcome.PASSED}


def test_redundancy_that_is_switched_off_is_not_lost() -> None:
    rows = {row.name: redundancy.lost(row) for row in ipmitool.parse_sdr(HPE + DELL) if redundancy.is_redundancy(row)}
    assert rows == {"Power Supplies": True, "PS Redundancy": None}


def test_fans_that_tell_percent_are_there() -> None:
    """Rows as an HP ProLiant's BMC prints them."""
    text = """Fan Block 1      | 09h | ok  |  7.1 | 21.56 percent, Transition to Running
Fans             | 0Dh | ok  |  7.5 | 0 percent, Fully Redundant
FAN1             | 41h | ok  | 29.1 | 5600 RPM
"""
    found = bmc_fans.fans(ipmitool.parse_sdr(text))
    assert [(fan.name, fan.rpm, fan.percent) for fan in found] == [("Fan Block 1", None, 21.56), ("FAN1", 5600.0, None)]


ONE_SUPPLY = """PS1 Status       | 77h | ok  | 10.1 | Presence detected
PS Redundancy    | 7Ch | ok  |  7.1 | Non-Redundant: Sufficient Resources from Insufficient Resources
"""


@pytest.mark.parametrize(
    ("not_expected", "outcome", "codes"),
    [([], wire.Outcome.FAILED, ["psu.redundancy_lost"]), (["redundancy"], wire.Outcome.PASSED, [])],
)
def test_redundancy_that_is_not_expected_is_not_missed(
    not_expected: list[str],
    outcome: wire.Outcome,
    codes: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "sdr.txt").write_text(ONE_SUPPLY)
    bmc = f"#!/bin/sh\n[ $1 = sdr ] && cat {tmp_path}/sdr.txt\nexit 0\n"
    for name, script in {"ipmitool": bmc, "stress-ng": STRESS_NG}.items():
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("FAILING", "none")
    monkeypatch.setattr(ipmitool, "has_bmc", lambda: True)
    ctx = context("PSU", tmp_path, params={"load_duration_s": 1, "waves_s": 0}, not_expected=not_expected)
    report = STAGES["PSU"](ctx)
    assert (report.outcome, [one.code for one in report.findings]) == (outcome, codes)


OTHER_BAY = "PS2 Status       | 78h | ok  | 10.2 | {state}\n"


@pytest.mark.parametrize(
    ("names", "state", "codes"),
    [
        (["PS1"], "", []),
        (["PS1"], "Presence detected, Power Supply AC lost", ["psu.redundancy_lost"]),
        (["PS1"], "0x9", ["psu.redundancy_lost"]),
        (["PS1", "PS2"], "", ["psu.redundancy_lost"]),
        ([], "", ["psu.redundancy_lost"]),
    ],
)
def test_a_single_expected_supply_has_no_redundancy_to_lose(names: list[str], state: str, codes: list[str]) -> None:
    report = PartialReport()
    rows = ipmitool.parse_sdr(ONE_SUPPLY + OTHER_BAY.format(state=state))
    psu.judge_redundancy(names, [supply_look.seen("now", rows)], report)
    assert [one.code for one in report.findings] == codes
    assert report.checks[0].outcome is (wire.Outcome.FAILED if codes else wire.Outcome.NOT_TESTED)


@pytest.mark.parametrize(
    ("duration_s", "look_s", "load_s"),
    [(30, 3, 30), (30, 7.5, 30), (30, 20, 55), (600, 60, 600), (30, 400, 195)],
)
def test_the_load_lasts_until_a_slow_bmc_has_answered(duration_s: float, look_s: float, load_s: float) -> None:
    """The sensors of some BMCs take half a minute over KCS: the look from halfway would end after the load."""
    assert psu._load_s(duration_s, look_s) == load_s


@pytest.mark.parametrize(
    ("ends", "when", "watts", "outcome"),
    [
        ("after the look", "under load", 300.0, wire.Outcome.PASSED),
        ("within the look", "as the load ended", None, wire.Outcome.NOT_TESTED),
    ],
)
def test_a_look_that_outlasts_the_load_is_none_under_load(
    ends: str, when: str, watts: float | None, outcome: wire.Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A supply that gives in only under load may be well again by then."""
    over = threading.Event()

    def ask(when: str, names: Sequence[str]) -> Look:
        if ends == "within the look":
            over.set()
        return Look(when, [], [])

    monkeypatch.setattr(psu, "ask", ask)
    monkeypatch.setattr(psu, "_power", lambda: 300.0)
    look, drawn = psu._look(over, [])
    assert (look.when, drawn, psu._loaded(look).outcome) == (when, watts, outcome)


@pytest.mark.parametrize(
    ("not_expected", "wrong_core", "outcome"),
    [([], "", wire.Outcome.NOT_TESTED), (["bmc"], "", wire.Outcome.PASSED), (["bmc"], "0", wire.Outcome.FAILED)],
)
def test_without_a_bmc_the_load_step_is_what_is_tested(
    not_expected: list[str], wrong_core: str, outcome: wire.Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the supplies nobody can tell; a host that should have no BMC passes by surviving the step."""
    tool = tmp_path / "stress-ng"
    tool.write_text(STRESS_NG.replace('"$core"', "0"))
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("FAILING", wrong_core)
    monkeypatch.setattr(ipmitool, "has_bmc", lambda: False)
    ctx = context("PSU", tmp_path, params={"load_duration_s": 1, "idle_s": 0, "waves_s": 0}, not_expected=not_expected)
    report = STAGES["PSU"](ctx)
    assert report.outcome is outcome
    assert {check.reason for check in report.checks if check.name in ("presence", "state")} == {
        "the kernel found no BMC"
    }


def test_the_cpus_meter_adds_its_packages_and_nothing_within_them(tmp_path: Path) -> None:
    zones = {"intel-rapl:0": "package-0", "intel-rapl:1": "package-1", "intel-rapl:0:0": "dram"}
    for zone, name in zones.items():
        path = tmp_path / "sys/class/powercap" / zone
        path.mkdir(parents=True)
        (path / "name").write_text(name)
        (path / "energy_uj").write_text("0")
    meter = readings.Meter(tmp_path)
    assert meter.watts_over(0.0, StopFlag()) == 0.0
    assert readings.Meter(tmp_path / "none").watts_since() is None


@pytest.mark.parametrize(
    ("second", "predicted"),
    [("Predictive Failure Asserted", True), ("Predictive failure", True), ("Predictive Failure Deasserted", False)],
)
def test_what_a_supplys_second_sensor_predicts_is_not_lost(second: str, predicted: bool) -> None:
    there = "| ok | 10.1 | Presence detected"
    rows = ipmitool.parse_sdr(f"PS1 Status | 77h {there}\nPS1 Health | 78h {there}, {second}\n")
    (supply,) = supplies.power_supplies(rows)
    assert (supply.name, supply.present, supply.ok) == ("PS1", True, True)
    assert supply.predicted is predicted


def test_a_row_that_was_cut_off_was_not_read() -> None:
    rows = ipmitool.parse_sdr("PS1 Status       | C8h | ok  | 10.1 | Presence detected\nPS2 Sta")
    assert [(row.name, row.status) for row in rows] == [("PS1 Status", "ok"), ("PS2 Sta", ipmitool.UNREAD)]
