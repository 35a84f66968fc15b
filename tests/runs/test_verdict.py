"""The verdict of a run: the cases of the rulings, one by one, and what must hold for any results."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hosts.models import Health
from runs.judging.verdict import Seen, StageOutcome, components, health_after, verdict
from runs.models import Verdict


def a_stage(name: str, outcome: str = "passed", attempt: int = 1, boot: int = 1, counts: bool = True) -> StageOutcome:
    return StageOutcome(name, attempt, boot, outcome, counts)


def a_critical(stage: str, component: str = "SATA-1", attempt: int = 1) -> Seen:
    return Seen(stage, attempt, "critical", component)


GOOD = [a_stage("InventoryCheck"), a_stage("SpecValidate"), a_stage("SMART")]


def test_all_stages_passed_is_passed() -> None:
    assert verdict(GOOD) == Verdict.PASSED


def test_a_failed_stage_is_failed() -> None:
    assert verdict([*GOOD, a_stage("Memory", "failed")]) == Verdict.FAILED


def test_a_critical_finding_is_failed_whatever_the_stage_says() -> None:
    assert verdict(GOOD, [a_critical("SMART")]) == Verdict.FAILED


def test_warnings_never_fail() -> None:
    assert verdict(GOOD, [Seen("SMART", 1, "warning", "SATA-1"), Seen("SMART", 1, "info", "x")]) == Verdict.PASSED


def test_failed_comes_before_error() -> None:
    assert verdict([a_stage("SMART", "failed")], bench_error="contract") == Verdict.FAILED


def test_error_comes_before_incomplete() -> None:
    assert verdict([a_stage("SMART", "not_tested")], bench_error="disk full") == Verdict.ERROR


def test_a_bench_error_before_any_stage_is_error() -> None:
    assert verdict([], bench_error="nothing asked for its boot script") == Verdict.ERROR


def test_a_required_stage_not_tested_is_incomplete() -> None:
    assert verdict([*GOOD, a_stage("PSU", "not_tested")]) == Verdict.INCOMPLETE


def test_a_stage_not_expected_here_does_not_count() -> None:
    assert verdict([*GOOD, a_stage("GPU", "not_tested", counts=False)]) == Verdict.PASSED


def test_no_expected_spec_is_incomplete() -> None:
    assert verdict([a_stage("InventoryCheck"), a_stage("SpecValidate", "not_tested")]) == Verdict.INCOMPLETE


def test_a_refusal_by_the_wipe_probe_is_incomplete() -> None:
    assert verdict([*GOOD, a_stage("Storage", "not_tested")]) == Verdict.INCOMPLETE


def test_a_refusal_that_was_overridden_and_passed_is_passed() -> None:
    assert verdict([*GOOD, a_stage("Storage", "not_tested"), a_stage("Storage", attempt=2)]) == Verdict.PASSED


def test_a_critical_finding_stays_though_a_retry_in_the_same_boot_passes() -> None:
    attempts = [*GOOD, a_stage("Memory", "failed"), a_stage("Memory", attempt=2)]
    assert verdict(attempts, [a_critical("Memory", "DIMM_A1")]) == Verdict.FAILED
    assert components(attempts, [a_critical("Memory", "DIMM_A1")]) == ["DIMM_A1"]


def test_after_a_new_boot_the_last_attempt_counts() -> None:
    attempts = [*GOOD, a_stage("Memory", "failed"), a_stage("Memory", attempt=2, boot=2)]
    assert verdict(attempts, [a_critical("Memory", "DIMM_A1")]) == Verdict.PASSED
    assert components(attempts, [a_critical("Memory", "DIMM_A1")]) == []


def test_a_new_boot_forgives_only_the_stage_that_was_tested_again() -> None:
    attempts = [a_stage("SMART", "failed"), a_stage("Memory", "failed"), a_stage("Memory", attempt=2, boot=2)]
    assert verdict(attempts, [a_critical("SMART"), a_critical("Memory", "DIMM_A1")]) == Verdict.FAILED
    assert components(attempts, [a_critical("SMART"), a_critical("Memory", "DIMM_A1")]) == ["SATA-1"]


def test_a_stage_that_failed_again_after_a_new_boot_is_failed() -> None:
    attempts = [*GOOD, a_stage("Memory"), a_stage("Memory", "failed", attempt=2, boot=2)]
    assert verdict(attempts) == Verdict.FAILED


def test_a_host_lost_in_a_stage_is_failed_on_the_system() -> None:
    attempts = [*GOOD, a_stage("Burn", "failed")]
    assert verdict(attempts, [a_critical("Burn", "system")]) == Verdict.FAILED
    assert components(attempts, [a_critical("Burn", "system")]) == ["system"]


def test_a_stage_that_is_wanted_and_absent_is_incomplete() -> None:
    assert verdict(GOOD, wanted=["SMART", "Memory"]) == Verdict.INCOMPLETE


def test_a_run_that_tested_nothing_is_incomplete() -> None:
    assert verdict([]) == Verdict.INCOMPLETE
    assert verdict([a_stage("GPU", "not_tested", counts=False)]) == Verdict.INCOMPLETE


def test_blame_names_each_component_once_in_order() -> None:
    found = [a_critical("SMART", "B"), a_critical("SMART", "A"), a_critical("SMART", "B")]
    assert components(GOOD, found) == ["B", "A"]


@pytest.mark.parametrize(
    ("before", "result", "after"),
    [
        *[(health, Verdict.PASSED, Health.GOOD) for health in Health],
        *[(health, Verdict.FAILED, Health.BAD) for health in Health],
        *[(health, Verdict.NONE, health) for health in Health],
        *[(Health.BAD, result, Health.BAD) for result in (Verdict.INCOMPLETE, Verdict.ERROR)],
        *[(Health.GOOD, result, Health.UNKNOWN) for result in (Verdict.INCOMPLETE, Verdict.ERROR)],
        *[(Health.UNKNOWN, result, Health.UNKNOWN) for result in (Verdict.INCOMPLETE, Verdict.ERROR)],
    ],
)
def test_health_after_a_verdict(before: Health, result: Verdict, after: Health) -> None:
    assert health_after(before, result) == after


NAMES = st.sampled_from(["SMART", "Memory", "Storage", "GPU"])
OUTCOMES = st.sampled_from(["passed", "failed", "not_tested"])


@st.composite
def runs_of_attempts(draw: st.DrawFn) -> list[StageOutcome]:
    """Attempts as a run makes them: numbered by stage, in boots that never go back."""
    boot, counted, attempts = 1, {}, []
    for name in draw(st.lists(NAMES, max_size=8)):
        boot += draw(st.integers(0, 1))
        counted[name] = counted.get(name, 0) + 1
        attempts.append(StageOutcome(name, counted[name], boot, draw(OUTCOMES), draw(st.booleans())))
    return attempts


SEEN = st.builds(
    Seen, NAMES, st.integers(1, 3), st.sampled_from(["critical", "warning", "info"]), st.sampled_from(["A", "B"])
)


@given(runs_of_attempts(), st.lists(SEEN, max_size=5), st.booleans())
def test_passed_means_that_nothing_speaks_against_it(attempts: list, findings: list, bench_broke: bool) -> None:
    result = verdict(attempts, findings, bench_error="x" if bench_broke else "")
    last = {stage.name: stage for stage in attempts}
    if result == Verdict.PASSED:
        assert not bench_broke
        assert not components(attempts, findings)
        assert all(stage.outcome == "passed" for stage in last.values() if stage.counts)
        assert all(stage.outcome != "failed" for stage in last.values())


@given(runs_of_attempts(), st.lists(SEEN, max_size=5))
def test_whoever_is_blamed_has_failed_the_run(attempts: list, findings: list) -> None:
    if components(attempts, findings):
        assert verdict(attempts, findings) == Verdict.FAILED


@given(runs_of_attempts(), st.lists(SEEN, max_size=5), st.randoms())
def test_the_order_in_which_rows_are_read_changes_nothing(attempts: list, findings: list, random) -> None:  # noqa: ANN001
    shuffled = list(attempts)
    random.shuffle(shuffled)
    assert verdict(shuffled, findings) == verdict(attempts, findings)
