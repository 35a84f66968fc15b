"""How long a run should take and how far it is."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from runs.models import StageRun
from runs.profiles import durations

NOW = timezone.now()
PROFILE = {
    "stages": {
        "SMART": {"expected_s": 100},
        "CPUStress": {"params": {"duration_s": 200, "threads": 8}},
        "Memory": {"expected_s": 100},
    }
}


def _attempt(name: str, number: int = 1, **fields: object) -> StageRun:
    return StageRun(name=name, attempt=number, go_at=NOW - timedelta(seconds=50), **fields)


def test_the_plan_takes_what_the_profile_says_in_the_order_of_the_stages() -> None:
    assert list(durations.plan(PROFILE).items()) == [("SMART", 100), ("CPUStress", 200), ("Memory", 100)]


def test_a_stage_without_a_duration_still_takes_a_moment() -> None:
    assert durations.expected_s({"expected_s": None, "params": {}}) == 20


def test_a_run_stands_where_its_stage_stands() -> None:
    half = _attempt("CPUStress", progress=[{"item": "all", "percent": 50.0}])
    standing = durations.standing(PROFILE, "CPUStress", [_attempt("SMART", outcome="passed"), half], NOW)
    assert standing.fraction == pytest.approx(0.5)
    assert standing.ends_at == NOW + timedelta(seconds=200)
    alone = durations.standing(PROFILE, "CPUStress", [_attempt("SMART", outcome="passed"), half], NOW, at_work=False)
    assert (alone.fraction, alone.ends_at) == (standing.fraction, None)


def test_a_stage_that_reports_nothing_is_judged_by_its_time() -> None:
    assert durations.stage_fraction(_attempt("SMART"), 100, NOW) == pytest.approx(0.5)


def test_no_run_is_at_its_end_before_it_has_ended() -> None:
    late = StageRun(name="Memory", attempt=1, go_at=NOW - timedelta(hours=5))
    assert durations.standing(PROFILE, "Memory", [late], NOW).fraction < 1


def test_the_newest_attempt_is_the_one_that_counts() -> None:
    first = _attempt("SMART", outcome="failed")
    second = _attempt("SMART", 2, progress=[{"item": "sda", "percent": 10.0}])
    assert durations.standing(PROFILE, "SMART", [first, second], NOW).fraction == pytest.approx(0.025)


@pytest.mark.parametrize("state", ["Queued", "WaitingWoL", "Booting", "Completed", "Cancelled"])
def test_outside_the_stages_nothing_is_estimated(state: str) -> None:
    assert durations.standing(PROFILE, state, [], NOW) == durations.Standing(0.0, None)


def test_a_stage_that_waits_for_its_go_has_not_begun() -> None:
    assert durations.stage_fraction(StageRun(name="Network", go_at=None), 30, NOW) == 0.0
