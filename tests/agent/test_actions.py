"""The action of a finding: every code has one, and it agrees with the advice for people."""

from __future__ import annotations

import pytest

from agent.contract import actions
from agent.contract.actions import LADDER, Action, action
from agent.contract.codes import CODES
from agent.contract.finding_code import Acts
from agent.contract.wire import Severity


def test_the_table_names_known_codes_once() -> None:
    named = [code for codes in actions._FIRST.values() for code in codes]
    assert set(named) <= CODES.keys()
    assert len(named) == len(set(named))


@pytest.mark.parametrize("code", CODES)
def test_a_critical_fault_of_hardware_is_never_only_watched(code: str) -> None:
    found = action(code, Severity.CRITICAL)
    if CODES[code].acts is Acts.HARDWARE:
        assert LADDER.index(found) > LADDER.index(Action.CHECK_BENCH)


@pytest.mark.parametrize("code", [code for code, of in CODES.items() if of.advice in ("Replace the drive.",)])
def test_a_drive_to_replace_is_replaced_if_critical_and_watched_if_not(code: str) -> None:
    assert action(code, Severity.CRITICAL) == Action.REPLACE_PART
    assert action(code, Severity.WARNING) == Action.WATCH


@pytest.mark.parametrize("severity", Severity)
def test_a_fault_of_the_bench_asks_for_nothing_at_the_host(severity: Severity) -> None:
    assert {action(code, severity) for code, of in CODES.items() if of.acts is Acts.BENCH} == {Action.CHECK_BENCH}


@pytest.mark.parametrize(
    ("code", "severity", "wanted"),
    [
        ("memory.corrected", "warning", Action.RESEAT),
        ("memory.corrected", "info", Action.NONE),
        ("memory.miscompare", "critical", Action.REPLACE_PART),
        ("network.no_link", "critical", Action.REPLACE_CABLE),
        ("spec.replaced", "warning", Action.CHECK_CONFIG),
        ("firmware.twins_differ", "info", Action.UPDATE_FIRMWARE),
        ("psu.predicted_failure", "warning", Action.REPLACE_PART),
        ("a.code_of_an_older_version", "critical", Action.REPLACE_PART),
        ("a.code_of_an_older_version", "info", Action.NONE),
    ],
)
def test_the_action_follows_from_code_and_severity(code: str, severity: str, wanted: Action) -> None:
    assert action(code, severity) == wanted
