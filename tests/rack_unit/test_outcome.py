"""Comparing what came of a run with what the machine file asks for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rack.machinefile import Outcome
from tests.rack.outcome import Found, Seen, failed_stage, failures, line


def seen(**words: Any) -> Seen:
    return Seen(**{"state": "FailedHolding", "verdict": "failed", "stage": "Storage", **words})


def test_keys_left_out_are_not_compared() -> None:
    assert failures(Outcome(), seen(components=("X",), touched=frozenset("Y"))) == []


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"state": "Completed"}, "state is FailedHolding, not Completed"),
        ({"verdict": "passed"}, "verdict is failed, not passed"),
        ({"stage": "Memory"}, "stage is Storage, not Memory"),
        ({"components": ["A"]}, "A is not blamed"),
        ({"findings": ["smart.pending_sectors"]}, "there is no finding smart.pending_sectors"),
        ({"warnings": ["USB"]}, "USB has no warning"),
        ({"ssh": True}, "there was no hold to log in to"),
    ],
)
def test_what_is_missing_is_said(wanted: dict[str, Any], said: str) -> None:
    assert failures(Outcome.model_validate(wanted), seen()) == [said]


def test_a_part_blamed_without_reason_is_said() -> None:
    assert failures(Outcome(components=("A",)), seen(components=("A", "B"))) == ["B is blamed wrongly"]


def test_nobody_blamed_is_an_outcome_of_its_own() -> None:
    assert failures(Outcome(components=()), seen(components=("B",))) == ["B is blamed wrongly"]


def test_a_disk_that_was_to_stay_untouched_is_named() -> None:
    assert failures(Outcome(untouched=("S",)), seen(touched=frozenset({"S"}))) == ["the disk S was written to"]


def test_a_key_that_did_not_log_in_is_said() -> None:
    assert failures(Outcome(ssh=True), seen(ssh=False)) == ["the hold's key did not log in"]
    assert failures(Outcome(ssh=True), seen(ssh=True)) == []


def run(state: str, *moves: tuple[str, str]) -> dict[str, Any]:
    return {"state": state, "events": [{"before": before, "after": after} for before, after in moves]}


def test_the_failed_stage_is_where_the_run_last_failed() -> None:
    moves = [("Memory", "Failed"), ("Failed", "FailedHolding"), ("FailedHolding", "Memory"), ("Memory", "Storage")]
    assert failed_stage(run("FailedHolding", *moves, ("Storage", "Failed"), ("Failed", "Failed"))) == "Storage"


def test_a_run_that_completed_after_a_retry_failed_in_no_stage() -> None:
    assert failed_stage(run("Completed", ("Storage", "Failed"), ("FailedHolding", "Storage"))) == ""


def test_a_run_that_went_on_failed_in_its_first_stage_that_did() -> None:
    stages = [{"name": name, "outcome": outcome} for name, outcome in
              (("SMART", "passed"), ("Storage", "failed"), ("PSU", "failed"))]  # fmt: skip
    moves = [("Reporting", "Failed"), ("Failed", "FailedHolding")]
    assert failed_stage(run("FailedHolding", *moves) | {"stages": stages}) == "Storage"


def test_a_part_that_is_blamed_in_another_stage_is_said() -> None:
    found = (Found("Storage", "critical", "disk.io_error", "S", ""), Found("SMART", "warning", "smart.wear", "S", ""))
    assert failures(Outcome(found_in={"S": "Storage"}), seen(found=found)) == []
    assert failures(Outcome(found_in={"S": "SMART"}), seen(found=found)) == ["S is not blamed in SMART"]


def test_a_boot_that_failed_is_no_stage() -> None:
    assert failed_stage(run("Failed", ("WaitingWoL", "Booting"), ("Booting", "Failed"))) == ""


def test_the_json_line_has_the_pinned_keys() -> None:
    keys = ["machine", "state", "verdict", "stage", "components", "findings", "boot_s", "run_s", "outcome_met"]
    assert list(line("m", seen(), True)) == keys
