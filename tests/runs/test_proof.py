"""A result is passed when its checks say so, not when the agent does."""

from __future__ import annotations

import pytest

from agent import wire
from runs import proof, stageruns
from runs.models import Outcome
from tests import factories

PASSED, FAILED, NOT_TESTED = wire.Outcome.PASSED, wire.Outcome.FAILED, wire.Outcome.NOT_TESTED


def result(*checks: wire.Check) -> wire.Result:
    return wire.Result("boot-1", "SMART", 1, PASSED, "", 1.0, 2.0, checks=list(checks))


@pytest.mark.parametrize(
    ("checks", "required", "not_expected", "lacking"),
    [
        ([wire.Check("health", PASSED)], ["health"], [], ""),
        ([], ["health"], [], "called passed without health"),
        ([wire.Check("other", PASSED)], ["health", "other"], [], "called passed without health"),
        ([wire.Check("health", PASSED), wire.Check("health", NOT_TESTED)], ["health"], [], "without health"),
        ([wire.Check("health", PASSED), wire.Check("health", FAILED)], ["health"], [], "without health"),
        ([wire.Check("edac", NOT_TESTED, topic="ecc")], ["edac"], ["ecc"], ""),
        ([wire.Check("edac", NOT_TESTED, topic="ecc")], ["edac"], ["bmc"], "without edac"),
        ([wire.Check("edac", FAILED, topic="ecc")], ["edac"], ["ecc"], "without edac"),
        ([], ["gpu.present"], ["gpu"], ""),
        ([], [], [], ""),
    ],
)
def test_what_is_required_must_be_there_and_have_passed(
    checks: list[wire.Check], required: list[str], not_expected: list[str], lacking: str
) -> None:
    said = proof.lacking(result(*checks), required, not_expected)
    assert said.endswith(lacking) and bool(said) is bool(lacking)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("checks", "outcome"),
    [
        ([], Outcome.NOT_TESTED),
        ([wire.Check("health", PASSED)], Outcome.PASSED),
        ([wire.Check("health", PASSED), wire.Check("self_test", FAILED)], Outcome.FAILED),
    ],
)
def test_a_stage_that_is_called_passed_is_only_what_its_checks_are(checks: list[wire.Check], outcome: Outcome) -> None:
    run = factories.in_smart()
    run.profile["stages"]["SMART"]["required"] = ["health"]
    run.save()
    stage_run = stageruns.current(run)
    assert stage_run is not None
    stageruns.keep(stage_run, result(*checks))
    stage_run.refresh_from_db()
    assert stage_run.outcome == outcome
