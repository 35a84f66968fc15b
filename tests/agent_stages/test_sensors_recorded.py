"""Supplies and fans by whole recordings of `ipmitool sdr elist`, as `manage.py judge` and the stages see them."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent import judge
from agent.contract import wire
from agent.exercises import fans
from agent.exercises.fans import Fans
from agent.host import shell
from agent.parsing import ParseError
from agent.probes.bmc import bmc_fans, ipmitool, redundancy, supplies
from agent.reports.partial_report import PartialReport
from agent.stages.psu import stage as psu
from agent.stages.psu import supply_look
from agent.stages.psu.supply_look import Look
from tests.agent_stages.contexts import context
from tests.agent_stages.recordings import RECORDED

PASSED, FAILED, NOT_TESTED = wire.Outcome.PASSED, wire.Outcome.FAILED, wire.Outcome.NOT_TESTED
# Recording → its result, and severity, code and component of each finding.
RIGHT: dict[str, tuple[wire.Outcome, set[tuple[str, str, str]]]] = {
    "hpe-ilo5-sound": (PASSED, set()),
    "ibm-x3650-sound": (PASSED, set()),
    "supermicro-x10-sound": (PASSED, set()),
    "intel-s2600-cold-redundancy": (PASSED, set()),
    "dell-r510-one-bay-empty": (NOT_TESTED, set()),
    "supermicro-supply-silent": (NOT_TESTED, set()),
    "hpe-ilo2-one-supply-failed": (
        FAILED,
        {("critical", "psu.failed", "Power Supply 1"), ("critical", "psu.redundancy_lost", "Power Supplies")},
    ),
    "hpe-ilo-fan-degraded-and-stopped": (
        FAILED,
        {
            ("critical", "fan.stopped", "Fan 2"),
            ("warning", "bmc.event", "Fan 3"),
            ("warning", "fan.redundancy_lost", "Fans"),
        },
    ),
    "dell-r740-mains-lost": (
        FAILED,
        {("critical", "psu.failed", "Status 10.2"), ("critical", "psu.redundancy_lost", "PS Redundancy")},
    ),
    "dgx1-two-without-mains": (
        FAILED,
        {
            ("critical", "psu.failed", "PSU1"),
            ("critical", "psu.failed", "PSU2"),
            ("critical", "psu.redundancy_lost", "PSU Redundancy"),
        },
    ),
    "ibm-x3650-supply-too-hot": (FAILED, {("critical", "psu.failed", "Power Supply 2")}),
    "intel-s2600-redundancy-lost": (
        FAILED,
        {
            ("critical", "psu.failed", "PS2"),
            ("critical", "psu.failed", "Pwr Unit Status"),
            ("critical", "psu.redundancy_lost", "Pwr Unit Redund"),
            ("critical", "fan.stopped", "PS2 Fan Fail"),
        },
    ),
    "supply-out-of-range": (FAILED, {("critical", "psu.failed", "PS2")}),
    "short-states-in-hexadecimal": (FAILED, {("critical", "psu.failed", "PS2")}),
    "dell-fan-stopped": (
        FAILED,
        {("critical", "fan.stopped", "Fan1A RPM"), ("warning", "fan.redundancy_lost", "Fan Redundancy")},
    ),
    "supermicro-fan-too-fast": (
        FAILED,
        {("warning", "sensor.fan_high", "FAN1"), ("critical", "sensor.fan_low", "FAN3")},
    ),
    "sun-input-lost": (FAILED, {("critical", "psu.failed", "PS1/PRSNT")}),
    "inspur-mains-lost": (
        FAILED,
        {("critical", "psu.failed", "PSU1_Supply"), ("critical", "psu.redundancy_lost", "PSU_Redundant")},
    ),
    "hpe-ilo4-one-bay-empty": (NOT_TESTED, set()),
    "hpe-fan-states-and-duty-sound": (PASSED, set()),
    "hpe-fan-stopped-while-driven": (FAILED, {("critical", "fan.stopped", "Fan 2")}),
    "asus-esc8000-sound": (PASSED, set()),
    "asus-supply-without-power": (
        FAILED,
        {("critical", "psu.failed", "PSU1"), ("critical", "psu.failed", "PSU2")},
    ),
    "lenovo-xcc-sound": (PASSED, set()),
    "garbled": (FAILED, {("critical", "fan.stopped", "FAN2")}),
}


def judged(text: str, tmp_path: Path, **expected: object) -> tuple[wire.Outcome, set[tuple[str, str, str]]]:
    line = judge.judge(context("PSU", tmp_path, expected=expected), "sdr", text)
    found = {(one["severity"], one["code"], one["component"]) for one in line["findings"]}
    return wire.Outcome(line["outcome"]), found


@pytest.mark.parametrize("name", RIGHT)
def test_a_recording_has_its_right_answer(name: str, tmp_path: Path) -> None:
    assert judged((RECORDED / f"ipmitool/{name}.sdr").read_text(), tmp_path) == RIGHT[name]


def test_every_recording_has_a_right_answer() -> None:
    assert {path.stem for path in (RECORDED / "ipmitool").glob("*.sdr")} == RIGHT.keys()


@pytest.mark.parametrize(
    ("row", "outcome", "codes"),
    [
        ("FAN1 | 41h | cr | 29.1 | 25500 RPM", PASSED, {"sensor.fan_high"}),
        ("FAN1 | 41h | unr | 29.1 | 25500 RPM", PASSED, {"sensor.fan_high"}),
        ("FAN1 | 41h | nr | 29.1 | 300 RPM", FAILED, {"sensor.fan_low"}),
        ("FAN1 | 41h | lnc | 29.1 | 600 RPM", PASSED, {"sensor.fan_low"}),
        ("FAN1 | 41h | lnr | 29.1 | ", FAILED, {"sensor.fan_low"}),
        ("FAN1 | 41h | ok | 29.1 | 40%$0 RPM", NOT_TESTED, set()),
        ("FAN1 | 41h | ns | 29.1 | No Reading", NOT_TESTED, set()),
        ("Fan 3 | 41h | ok | 29.1 | Device Absent", NOT_TESTED, set()),
        # IBM says of each fan that it is there, beside its two rotors.
        ("Fan 1 | 50h | ok | 29.1 | Entity Present\nFan 1A Tach | 40h | ok | 29.1 | 3132 RPM", PASSED, set()),
        ("fan1 | 50h | ok | 29.1 | Presence detected\nfan1_0 | 40h | ok | 29.1 | 0 RPM", FAILED, {"fan.stopped"}),
        # The decimal comma of the operator's language.
        ("FAN1 | 41h | ok | 29.1 | 2500,00 RPM", PASSED, set()),
        (
            "PS1 Status | C8h | ok | 10.1 | Presence detected\nPS1 Vin | 5Bh | lcr | 10.1 | 9,50 Volts",
            FAILED,
            {"psu.failed"},
        ),
        ("PS1 Status | C8h | ok | 10.1 | Presence detected\nPS1 Vout | 5Bh | ok | 10.1 | 12,03 Volts", PASSED, set()),
        # How hard OpenBMC drives the fan is no fan.
        ("FAN0_PWM | 16h | ok | 0.1 | 29.79 unspecified\nFAN0_TACH | 1Eh | ok | 0.1 | 5292 RPM", PASSED, set()),
        ("FAN0_PWM | 16h | ok | 0.1 | 29.79 unspecified\nFAN0_TACH | 1Eh | lcr | 0.1 | 0 RPM", FAILED, {"fan.stopped"}),
        ("PS1 Status | C8h | ok | 10.1 | Presence detected, Power Supply Inactive", PASSED, set()),
        ("PS1 Status | C8h | ok | 10.1 | Config Error, Power Supply Inactive", FAILED, {"psu.failed"}),
        ("PS1 Status | C8h | ok | 10.1 | Presence detected, Predictive failure", PASSED, {"psu.predicted_failure"}),
        ("PS1 Status | C8h | ok | 10.1 | Device Present", PASSED, set()),
        ("PS1 Status | C8h | ok | 10.1 | Transition to Non-critical from OK", PASSED, {"bmc.event"}),
        ("PS1 Status | C8h | ok | 10.1 | Transition to Degraded", PASSED, {"bmc.event"}),
        ("PS1 Status | C8h | ok | 10.1 | Transition to Critical from less severe", FAILED, {"psu.failed"}),
        ("PS1 Status | C8h | ok | 10.1 | State Asserted", NOT_TESTED, set()),
        ("PS1 Status | C8h | ok | 10.1 | ", NOT_TESTED, set()),
        ("PS1 Status | C8h | ns | 10.1 | Disabled", NOT_TESTED, set()),
        ("PS1 Status | C8h | ok | 10.1 | 0x00", NOT_TESTED, set()),
        ("PS1 Status | C8h | ok | 10.1 | 0x01", PASSED, set()),
        ("PS1 Status | C8h | ok | 10.1 | 0x03", FAILED, {"psu.failed"}),
        ("PSU1_PRSNT | C8h | ok | 10.1 | State Asserted", PASSED, set()),
        ("PSU1 AC Lost | C8h | ok | 10.1 | Power Supply AC lost", FAILED, {"psu.failed"}),
        ("Status | C8h | ok | ?? | Presence detected, Failure detected", FAILED, {"psu.failed"}),
    ],
)
def test_one_row_alone_has_its_right_answer(row: str, outcome: wire.Outcome, codes: set[str], tmp_path: Path) -> None:
    said, found = judged(row + "\n", tmp_path)
    assert (said, {code for _, code, _ in found}) == (outcome, codes)


@pytest.mark.parametrize(
    ("row", "outcome", "codes"),
    [
        ("12V | 30h | ok | 7.1 | 12.06 Volts", PASSED, set()),
        ("12V | 30h | lcr | 7.1 | 10.20 Volts", FAILED, {"psu.voltage"}),
        ("12V | 30h | cr | 7.1 | 10,20 Volts", FAILED, {"psu.voltage"}),
        ("12V | 30h | unc | 7.1 | 12.80 Volts", PASSED, {"psu.voltage"}),
        ("12V | 30h | o | 7.1 | 12.06 Volts", NOT_TESTED, set()),
        # The rail of a CPU that is not there.
        ("Vcpu2 | 31h | lnr | 7.1 | 0 Volts", PASSED, set()),
        ("-12V | 35h | ok | 7.1 | -12.096 Volts", PASSED, set()),
        ("VBAT | 38h | lcr | 7.18 | 2.54 Volts", FAILED, {"bmc.event"}),
        ("P3V_BAT | 38h | lnc | 7.18 | 2.80 Volts", PASSED, {"bmc.event"}),
        ("CPU1 Temp | 01h | ok | 3.1 | 61 degrees C", PASSED, set()),
        ("CPU1 Temp | 01h | ucr | 3.1 | 98 degrees C", FAILED, {"sensor.temp_high"}),
        ("CPU1 Temp | 01h | nr | 3.1 | 98 degrees C", FAILED, {"sensor.temp_high"}),
        ("Inlet Temp | 04h | unc | 7.1 | 41 degrees C", PASSED, {"sensor.temp_high"}),
        ("Inlet Temp | 04h | lnc | 7.1 | 4 degrees C", PASSED, {"sensor.temp_low"}),
        ("CPU0_Margin_Temp | 05h | lcr | 3.1 | 1 degrees C", FAILED, {"sensor.temp_high"}),
        ("P1 Therm Margin | 74h | ok | 3.1 | -42 degrees C", PASSED, set()),
        # Nothing is plugged into the board's connector.
        ("TR1 Temperature | 0Ah | lnr | 7.1 | 0 degrees C", PASSED, set()),
        ("TR1 Temperature | 0Ah | nr | 7.1 | 0 degrees C", PASSED, set()),
        ("CPU2 Temp | 02h | ns | 3.2 | No Reading", PASSED, set()),
    ],
)
def test_a_board_outside_the_bmcs_own_limits_is_told(
    row: str, outcome: wire.Outcome, codes: set[str], tmp_path: Path
) -> None:
    rows = f"{row}\nFAN1 | 41h | ok | 29.1 | 4500 RPM\n"
    said, found = judged(rows, tmp_path)
    assert (said, {code for _, code, _ in found}) == (outcome, codes)
    excused = context("PSU", tmp_path, not_expected=["bmc_limits"])
    assert judge.judge(excused, "sdr", rows)["outcome"] == "passed"


def test_a_limit_that_is_crossed_only_under_load_is_told_once_from_the_worst_look() -> None:
    report = PartialReport()
    looks = [
        Look(when, [], [], board=ipmitool.parse_sdr(f"CPU1 Temp | 01h | {status} | 3.1 | {heat} degrees C\n"))
        for when, status, heat in (("before", "ok", 40), ("under load", "ucr", 98), ("after", "unc", 85))
    ]
    psu.judge_limits(looks, report)
    psu.judge_limits(looks[:1], report)
    assert [(one.code, one.component, one.severity) for one in report.findings] == [
        ("sensor.temp_high", "CPU1 Temp", wire.Severity.CRITICAL)
    ]
    assert "under load" in report.findings[0].message
    assert [check.outcome for check in report.checks] == [FAILED, PASSED]


def test_a_board_that_was_not_read_in_one_look_is_not_tested() -> None:
    report = PartialReport()
    psu.judge_limits([Look("before", [], [], board_trouble="ipmitool timed out")], report)
    psu.judge_limits([Look("before", [], [])], report)
    assert [check.outcome for check in report.checks] == [NOT_TESTED, NOT_TESTED]


def test_a_supply_that_the_spec_expects_and_whose_bay_is_empty_is_missing(tmp_path: Path) -> None:
    rows = "PS1 Status | C8h | ok | 10.1 | Presence detected\nPS2 Status | C9h | ok | 10.2 | \n"
    two = [{"name": "PS1"}, {"name": "PS2"}]
    assert judged(rows, tmp_path, psus=two) == (FAILED, {("critical", "psu.missing", "PS2")})
    assert judged(rows, tmp_path, psus=two[:1]) == (PASSED, set())


def test_a_fan_that_the_spec_expects_and_that_is_absent_is_missing(tmp_path: Path) -> None:
    rows = "Fan 1 | 07h | ok | 7.1 | 21.56 percent\nFan 2 | 08h | ok | 7.2 | Device Absent\n"
    two = [{"name": "Fan 1"}, {"name": "Fan 2"}]
    assert judged(rows, tmp_path, fans=two) == (FAILED, {("critical", "fan.missing", "Fan 2")})
    assert judged(rows, tmp_path, fans=two[:1]) == (PASSED, set())
    assert judged(rows.replace("21.56", "0"), tmp_path, fans=two[:1])[0] is FAILED


def recorded(name: str) -> list[ipmitool.Sensor]:
    return ipmitool.parse_sdr((RECORDED / f"ipmitool/{name}.sdr").read_text())


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("hpe-ilo4-one-bay-empty", [("Power Supply 1", True), ("Power Supply 2", False)]),
        ("asus-esc8000-sound", [("PSU1", True), ("PSU2", True)]),
        ("lenovo-xcc-sound", [("PSU 1", True), ("PSU 2", True)]),
    ],
)
def test_several_sensors_of_a_supply_are_one_supply(name: str, names: list[tuple[str, bool]]) -> None:
    found = supplies.power_supplies(supplies.among(recorded(name)))
    assert [(one.name, one.present) for one in found] == names


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("hpe-ilo4-one-bay-empty", ["Fan 1", "Fan 2"]),
        ("hpe-fan-states-and-duty-sound", ["Fan 1", "Fan 2"]),
        ("hpe-fan-stopped-while-driven", ["Fan 1", "Fan 2"]),
    ],
)
def test_how_hard_a_fan_is_driven_is_no_fan_of_its_own(name: str, names: list[str]) -> None:
    found = [one for one in bmc_fans.fans(bmc_fans.among(recorded(name))) if not one.absent]
    assert [(one.name, one.percent is not None) for one in found] == [(one, True) for one in names]


def test_parts_that_were_pulled_are_missing_by_the_sensor_beside_their_own(tmp_path: Path) -> None:
    one_supply = (RECORDED / "ipmitool/hpe-ilo4-one-bay-empty.sdr").read_text()
    two = [{"name": "Power Supply 1"}, {"name": "Power Supply 2"}]
    assert judged(one_supply, tmp_path, psus=two) == (FAILED, {("critical", "psu.missing", "Power Supply 2")})
    assert judged(one_supply, tmp_path, psus=two[:1]) == (PASSED, set())
    pulled = (RECORDED / "ipmitool/hpe-fan-stopped-while-driven.sdr").read_text()
    three = [{"name": f"Fan {number}"} for number in (1, 2, 3)]
    told = {("critical", "fan.stopped", "Fan 2"), ("critical", "fan.missing", "Fan 3")}
    assert judged(pulled, tmp_path, fans=three) == (FAILED, told)


def seen(when: str, *rows: str) -> supply_look.Look:
    return supply_look.seen(when, ipmitool.parse_sdr("\n".join(rows)))


def test_a_sensor_that_is_called_after_a_fault_is_about_its_supply() -> None:
    (supply,) = seen("now", "PSU1 AC Lost | C8h | ok | 10.1 | Power Supply AC lost").supplies
    assert (supply.name, supply.ok) == ("PSU1", False)


def test_a_supply_that_goes_between_two_looks_is_missing_without_a_spec() -> None:
    there, gone = "PS2 Status | C9h | ok | 10.2 | Presence detected", "PS2 Status | C9h | ok | 10.2 | "
    report = PartialReport()
    psu.judge([], [seen("before", there), seen("after", gone)], report)
    assert [(one.code, one.component) for one in report.findings] == [("psu.missing", "PS2")]


def test_a_fault_of_no_supply_in_particular_is_a_finding_of_its_sensor() -> None:
    report = PartialReport()
    look = seen("now", "VT Fault | 28h | ok | 7.1 | State Asserted", "PS1 Status | C8h | ok | 10.1 | Presence detected")
    psu.judge_others([look, look], report)
    assert [(one.code, one.component) for one in report.findings] == [("psu.failed", "VT Fault")]
    assert [check.outcome for check in report.checks] == [FAILED]
    assert [(one.name, one.ok) for one in look.supplies] == [("PS1", True)]


def test_a_measure_of_a_supply_that_the_bmc_calls_critical_fails_the_supply() -> None:
    rows = ["PS2 Status | C9h | ok | 10.2 | Presence detected", "PS2 Input Voltage | 66h | lcr | 10.2 | 0 Volts"]
    (supply,) = seen("now", *rows).supplies
    assert (supply.ok, supply.reading) == (False, "PS2 Input Voltage: 0 Volts (lcr)")


def test_supplies_of_which_one_sleeps_do_not_share_the_load() -> None:
    report = PartialReport()
    look = seen(
        "under load",
        "PS1 Status | C8h | ok | 10.1 | Presence detected",
        "PS1 Input Power | 66h | ok | 10.1 | 210 Watts",
        "PS2 Status | C9h | ok | 10.2 | Presence detected, Power Supply Inactive",
        "PS2 Input Power | 67h | ok | 10.2 | 5 Watts",
    )
    psu._shared(look, 0.8, report)
    assert report.findings == [] and [check.outcome for check in report.checks] == [NOT_TESTED]


@pytest.mark.parametrize(
    ("reading", "lost"),
    [
        ("Fully Redundant", False),
        ("Redundancy Degraded from Fully Redundant", True),
        ("Non-Redundant: Sufficient from Insufficient", True),
        ("Disabled", None),
        ("No Reading", None),
        ("", None),
        ("Something else", None),
    ],
)
def test_redundancy_is_lost_kept_or_not_known(reading: str, lost: bool | None) -> None:
    (sensor,) = ipmitool.parse_sdr(f"Pwr Unit Redund | 02h | ok | 21.1 | {reading}\n")
    assert redundancy.lost(sensor) is lost


@pytest.mark.parametrize(
    ("sensor", "supply"),
    [
        ("PSU1 AC Lost", "PSU1"), ("PS1 12V OV Fault", "PS1"), ("PS 1 Therm Fault", "PS 1"), ("PS1 Status", "PS1"),
        ("Power Supply 2", "Power Supply 2"), ("#0x51", "#0x51"), ("Status", "Status"), ("PSU2_PRSNT", "PSU2"),
    ],
)  # fmt: skip
def test_a_supply_is_called_by_its_name_and_not_by_what_its_sensor_tells(sensor: str, supply: str) -> None:
    assert supplies.blamed(sensor) == supply


def test_a_fan_that_turned_and_whose_sensor_is_silent_or_gone_later_is_not_tested() -> None:
    before = Fans({}, ipmitool.parse_sdr("FAN1 | 41h | ok | 29.1 | 900 RPM\nFAN2 | 42h | ok | 29.2 | 900 RPM\n"))
    after = Fans({}, ipmitool.parse_sdr("FAN1 | 41h | ns | 29.1 | No Reading\n"))
    made, found = fans.judge([], before, after)
    assert [(check.component, check.outcome) for check in made] == [("FAN1", NOT_TESTED), ("FAN2", NOT_TESTED)]
    assert found == []


def test_a_fan_of_a_supply_is_not_taken_for_a_supply_and_presence_not_for_a_fan() -> None:
    rows = ipmitool.parse_sdr((RECORDED / "ipmitool/intel-s2600-cold-redundancy.sdr").read_text())
    assert [one.name for one in supplies.power_supplies(supplies.among(rows))] == ["PS1", "PS2"]
    assert [one.name for one in bmc_fans.fans(bmc_fans.among(rows)) if not one.absent] == [
        "System Fan 1",
        "System Fan 2",
    ]


def test_zones_of_cooling_are_asked_for_beside_fans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = {
        "Fan": "Fan 1 Tach | 50h | ok | 29.1 | 6000 RPM\n",
        "Cooling Device": "Cooling Zone 1 | 75h | ok | 30.1 | Redundancy Lost\n",
    }
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/ipmi0").touch()
    monkeypatch.setattr(ipmitool, "run", lambda *words: shell.Completed([*words], 0, said[words[-1]]))
    seen = fans.look(tmp_path)
    assert seen.rpm == {"Fan 1 Tach": 6000.0}
    assert [(one.code, one.component) for one in fans.judge([], seen, seen)[1]] == [
        ("fan.redundancy_lost", "Cooling Zone 1")
    ]


@pytest.mark.parametrize(
    ("name", "reading", "lost"),
    [
        ("PSU Redundancy Lost", "State Asserted", True),
        ("PSU Redundancy Lost", "State Deasserted", False),
        ("PSU Redundancy", "State Asserted", None),
        ("PS_RDNDNT_MODE", "Fully Redundant", False),
    ],
)
def test_a_redundancy_sensor_of_two_states_says_in_its_name_what_it_means(
    name: str, reading: str, lost: bool | None
) -> None:
    (sensor,) = ipmitool.parse_sdr(f"{name} | 02h | ok | 21.1 | {reading}\n")
    assert redundancy.is_redundancy(sensor) and redundancy.lost(sensor) is lost


@pytest.mark.parametrize(
    ("rows", "outcome", "codes"),
    [
        (("FAN1 | 41h | ok | 29.1 | 5400 RPM", "FAN3 | 43h | cr | 29.3 | 5350 RPM"), FAILED, {"sensor.fan_low"}),
        (("FAN1 | 41h | ok | 29.1 | 15400 RPM", "FAN3 | 43h | cr | 29.3 | 25350 RPM"), PASSED, {"sensor.fan_high"}),
        (
            ("FAN1 | 41h | ok | 29.1 | 3400 RPM", "PSU1 FAN | 43h | cr | 29.3 | 4350 RPM"),
            FAILED,
            {"sensor.fan_low"},
        ),
        (("FAN1 F Speed | 50h | ok | 29.1 | 7800 RPM", "FAN1 F Status | 53h | ok | 29.1 | State Asserted"), PASSED,
         {"bmc.event"}),
        (("FAN1 F Speed | 50h | ok | 29.1 | 7800 RPM", "FAN1 F Status | 53h | ok | 29.1 | State Deasserted"), PASSED,
         set()),
        (("FAN0_Present | 50h | ok | 29.1 | Device Absent", "FAN0_F_Speed | 51h | lcr | 29.1 | 0 RPM",
          "FAN1_Present | 52h | ok | 29.2 | Device Present", "FAN1_F_Speed | 53h | ok | 29.2 | 5760 RPM"), PASSED,
         set()),
        (("Fan 1 | 41h | ok | 7.1 | Transition to Running", "Fan 1 DutyCycle | 42h | ok | 7.1 | 2%$62 percent"),
         NOT_TESTED, set()),
        (("PSU1 AC Lost | 95h | ok | 10.1 | Presence detected", "PSU1 PWR Detect | 97h | ok | 10.1 | Presence de%&d"),
         NOT_TESTED, set()),
        (("PS Heavy Load | 70h | ok | 7.1 | State Asserted", "PSU 1 | 71h | ok | 10.1 | Presence detected"), PASSED,
         set()),
        (("PSU 1 | 71h | ok | 10.1 | Presence detected",
          "PSU 1 I2C DC fai | 73h | ok | 10.1 | Transition to Critical from less severe"), FAILED, {"psu.failed"}),
        (("PS 3.3V | 12h | lcr | 7.1 | 2.9 Volts", "PS3 Status | C8h | ok | 10.3 | Presence detected"), FAILED,
         {"psu.failed"}),
        (("FAN1 Presence | 50h | ok | 29.1 | Device Present", "FAN1 Speed | 51h | ok | 29.1 | 0 RPM"), FAILED,
         {"fan.stopped"}),
        (("FAN1 Presence | 50h | ok | 29.1 | Device Present", "FAN1 Speed | 51h | ok | 29.1 | 900 RPM",
          "FAN12 | 52h | ok | 29.2 | 0 RPM"), PASSED, set()),
        (("FAN1 | 41h | ok | 29.1 | 900 RPM", "FAN2 | 42h | ok | 29.2 | 0 RPM"), PASSED, {"fan.stopped"}),
        (("Fan 1 | 41h | ok | 7.1 | 29.79 percent, Transition to Running",
          "Fan 2 | 42h | ok | 7.2 | 0 percent, Transition to Running"), PASSED, {"fan.stopped"}),
        (("PS1 Fan | 41h | ok | 10.1 | 900 RPM", "PS2 Fan | 42h | ok | 10.2 | 0 RPM"), PASSED, set()),
        (("FAN1 | 41h | ok | 29.1 | 900 RPM", "Pump 2 | 42h | ok | 29.2 | 0 RPM"), PASSED, set()),
        (("PS1 Status | C8h | ok | 10.1 | Presence detected", "PS1 Temp | CAh | unc | 10.1 | 65 degrees C"), PASSED,
         {"bmc.event"}),
        (("PS1 Status | C8h | ok | 10.1 | Presence detected", "PS1 Temp | CAh | ok | 10.1 | 35 degrees C"), PASSED,
         set()),
        (("PS1 Status | C8h | ns | 10.1 | No Reading", "PS1 Presence | 33h | ok | 7.1 | Device Present"), NOT_TESTED,
         set()),
        (("PS1 Status | C8h | ok | 10.1 | Presence detected", "PS1 Presence | 33h | ns | 7.1 | No Reading"), PASSED,
         set()),
        (("PS1 Status | C8h | ok | 10.1 | Presence detected", "PS1 Line Freq | 33h | ok | 10.1 | 50 Hz"), PASSED,
         set()),
        (("PS1 Status | C8h | ok | 10.1 | Presence detected", "PS_ON | CAh | ok | 7.1 | State Asserted"), PASSED,
         set()),
    ],
)  # fmt: skip
def test_rows_together_have_their_right_answer(
    rows: tuple[str, ...], outcome: wire.Outcome, codes: set[str], tmp_path: Path
) -> None:
    result, found = judged("\n".join(rows), tmp_path)
    assert (result, {code for _, code, _ in found}) == (outcome, codes)


def test_more_sensors_than_a_bmc_has_are_not_judged() -> None:
    with pytest.raises(ParseError, match="more than a BMC has"):
        ipmitool.parse_sdr("PS1 Status | C8h | ok | 10.1 | Presence detected\n" * (ipmitool.MOST_SENSORS + 1))
