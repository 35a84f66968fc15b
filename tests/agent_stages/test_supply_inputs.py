"""Supplies that say no more than that they are there, and whose own voltmeter shows that no mains reach them."""

from __future__ import annotations

import pytest

from agent.contract import wire
from agent.host.shell import Completed
from agent.probes.bmc import ipmitool, supplies
from agent.reports.partial_report import PartialReport
from agent.stages.psu import stage as psu
from agent.stages.psu import supply_look

STATES = """PS1 Status | C8h | ok | 10.1 | Presence detected
PS2 Status | C9h | ok | 10.2 | Presence detected
"""
BY_NAME = STATES + "PS1 Input Voltage | 66h | ok | 10.1 | 231 Volts\nPS2 Input Voltage | 67h | ok | 10.2 | {} Volts\n"
# Each sensor of a state is called Status, each voltmeter has the supply's entity.
BY_ENTITY = """Status | 85h | ok | 10.1 | Presence detected
Status | 86h | ok | 10.2 | Presence detected
Current 2 | 6Bh | ok | 10.2 | 0 Amps
Voltage 1 | 6Ch | ok | 10.1 | 232 Volts
Voltage 2 | 6Dh | ok | 10.2 | {} Volts
"""


def bad(text: str) -> list[tuple[str, str]]:
    found = supply_look.seen("now", supplies.among(ipmitool.parse_sdr(text))).supplies
    return [(one.name, one.reading) for one in found if one.ok is not True]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (BY_NAME, ("PS2", "PS2 Input Voltage: 0 Volts, while PS1 Input Voltage shows 231 Volts")),
        (BY_ENTITY, ("Status 10.2", "Voltage 2: 0 Volts, while Voltage 1 shows 232 Volts")),
    ],
)
def test_a_supply_that_no_mains_reach_has_failed_though_its_state_says_only_that_it_is_there(
    text: str, told: tuple[str, str]
) -> None:
    assert bad(text.format("0")) == [told]


def test_what_a_voltmeter_without_mains_picks_up_is_no_voltage() -> None:
    assert [name for name, _ in bad(BY_NAME.format("4"))] == ["PS2"]


@pytest.mark.parametrize(
    "text",
    [
        # A supply that sleeps delivers no current, and its input keeps the mains.
        BY_ENTITY.format("222"),
        # One on another circuit.
        BY_NAME.format("118"),
        # Nobody measures here: the host runs.
        BY_NAME.format("0").replace("231", "0"),
        # Outputs: those of a supply that sleeps are off.
        BY_NAME.format("0").replace("231", "12.1").replace("Input Voltage", "Vout"),
        BY_NAME.format("0").replace("67h | ok", "67h | ns"),
    ],
)
def test_a_supply_with_mains_is_sound_and_so_is_one_that_nobody_measures(text: str) -> None:
    assert bad(text) == []


def test_a_run_asks_for_the_voltages_of_the_supplies_and_for_those_of_no_board(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    board = "P3V3 | 20h | lcr | 7.1 | 2.9 Volts\n"
    rows = BY_NAME.format("0").splitlines(keepends=True)
    by_type = {"Power Supply": "".join(rows[:2]), "Voltage": board + "".join(rows[2:])}

    def run(*words: str, timeout_s: float = 60.0) -> Completed:
        return Completed(["ipmitool"], 0, stdout=by_type.get(words[-1], ""))

    monkeypatch.setattr(ipmitool, "run", run)
    look, report = supply_look.ask("before"), PartialReport()
    psu.judge(["PS1", "PS2"], [look], report)
    assert [(one.code, one.component, one.severity) for one in report.findings] == [
        ("psu.failed", "PS2", wire.Severity.CRITICAL)
    ]
    assert look.conditions == []
    assert [sensor.name for sensor in look.board] == ["P3V3"]
