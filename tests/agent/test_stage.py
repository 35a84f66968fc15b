from __future__ import annotations

from pathlib import Path

import pytest

from agent.contract.wire import Cause, Check, Outcome
from agent.stage import StageMemory, settle

PASSED, FAILED, NOT_TESTED = Outcome.PASSED, Outcome.FAILED, Outcome.NOT_TESTED


@pytest.mark.parametrize(
    ("checks", "required", "not_expected", "outcome", "reason"),
    [
        ([Check("a", PASSED)], ["a"], [], PASSED, ""),
        ([Check("a", PASSED), Check("b", FAILED, "3 errors", "sda")], [], [], FAILED, "b (sda): 3 errors"),
        ([Check("a", FAILED, "x"), Check("b", NOT_TESTED, "y")], ["b"], [], FAILED, "a: x"),
        ([Check("a", PASSED), Check("b", NOT_TESTED, "no tool")], ["b"], [], NOT_TESTED, "b: no tool"),
        ([Check("a", PASSED), Check("b", NOT_TESTED, "no tool")], [], [], PASSED, ""),
        ([Check("a", PASSED), Check("b", NOT_TESTED, "none", topic="ecc")], ["b"], ["ecc"], PASSED, ""),
        ([Check("a", PASSED)], ["a", "b"], [], NOT_TESTED, "b: was not run"),
        ([Check("a", PASSED)], ["a", "gpu.load"], ["gpu"], PASSED, ""),
        ([Check("a", FAILED, "bad", topic="ecc")], [], ["ecc"], FAILED, "a: bad"),
        ([Check("g", NOT_TESTED, "none", topic="gpu")], ["g"], ["gpu"], NOT_TESTED, "not expected here"),
        ([], [], [], NOT_TESTED, "not expected here"),
        ([Check("a", NOT_TESTED, "no tool")], [], [], NOT_TESTED, "a: no tool"),
        ([Check("a", PASSED, "", "sda"), Check("a", NOT_TESTED, "usb", "sdb")], ["a"], [], NOT_TESTED, "a (sdb): usb"),
        ([Check("a", PASSED)], ["a", "counters.edac"], [], PASSED, ""),
    ],
)  # fmt: skip
def test_a_stage_is_settled_by_its_checks(
    checks: list[Check], required: list[str], not_expected: list[str], outcome: Outcome, reason: str
) -> None:
    settled = settle(checks, required, not_expected)
    assert (settled.outcome, settled.reason) == (outcome, reason)
    assert (settled.cause is Cause.NOT_EXPECTED) is (reason == "not expected here")


def test_a_stage_remembers_per_attempt_and_survives_a_torn_file(tmp_path: Path) -> None:
    StageMemory(tmp_path, "Storage", 1).save({"block": 7})
    assert StageMemory(tmp_path, "Storage", 1).load() == {"block": 7}
    assert StageMemory(tmp_path, "Storage", 2).load() == {}
    StageMemory(tmp_path, "Storage", 1).path.write_text('{"blo')
    assert StageMemory(tmp_path, "Storage", 1).load() == {}
