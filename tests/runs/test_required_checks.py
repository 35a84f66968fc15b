"""A result is passed when its checks say so, not when the agent does."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from agent.contract import wire
from agent.contract.stage_spec import nothing_more
from agent.contract.stages import SPECS
from agent.stage_functions import STAGES
from runs import stage_results, stage_rows
from runs.judging import required_checks
from runs.models import Outcome
from runs.stages import AGENT_STAGES
from tests import factories, rows

PASSED, FAILED, NOT_TESTED = wire.Outcome.PASSED, wire.Outcome.FAILED, wire.Outcome.NOT_TESTED


def result(*checks: wire.Check) -> wire.Result:
    return wire.Result("boot-1", "SMART", 1, PASSED, "", 1.0, 2.0, checks=list(checks))


@pytest.mark.parametrize(
    ("checks", "required", "not_expected", "lacking"),
    [
        ([wire.Check("health", PASSED)], ["health"], [], ""),
        ([], ["health"], [], "required checks are missing or did not pass: health"),
        ([wire.Check("other", PASSED)], ["health", "other"], [], "required checks are missing or did not pass: health"),
        ([wire.Check("health", PASSED), wire.Check("health", NOT_TESTED)], ["health"], [], "did not pass: health"),
        ([wire.Check("health", PASSED), wire.Check("health", FAILED)], ["health"], [], "did not pass: health"),
        ([wire.Check("edac", NOT_TESTED, topic="ecc")], ["edac"], ["ecc"], ""),
        ([wire.Check("edac", NOT_TESTED, topic="ecc")], ["edac"], ["bmc"], "did not pass: edac"),
        ([wire.Check("edac", FAILED, topic="ecc")], ["edac"], ["ecc"], "did not pass: edac"),
        ([], ["gpu.present"], ["gpu"], ""),
        ([], [], [], ""),
    ],
)
def test_what_is_required_must_be_there_and_have_passed(
    checks: list[wire.Check], required: list[str], not_expected: list[str], lacking: str
) -> None:
    wanted = required_checks.of_stage("SMART", {"stages": {"SMART": {"required": required}}}, None)
    said = required_checks.why_not_passed(result(*checks), wanted, not_expected)
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
    stage_run = stage_rows.current(run)
    assert stage_run is not None
    stage_results.keep(stage_run, result(*checks))
    stage_run.refresh_from_db()
    assert stage_run.outcome == outcome


LONG_IN_BACKGROUND = {"self_test": "long", "self_test_in_background": True}
FANS = {"fans": [{"name": "FAN1"}]}
PORT = {"nics": [{"mac": "52:54:00:00:00:01", "neighbour": "sw1 Gi1/0/3"}]}


def profile(mode: str = "read", **params: dict[str, Any]) -> dict[str, Any]:
    stages = {stage.name: {"required": [], "params": params.get(stage.name, {})} for stage in AGENT_STAGES}
    return {"storage": {"mode": mode}, "stages": stages}


@pytest.mark.parametrize(
    ("stage", "profile", "expected", "check"),
    [
        ("InventoryCheck", profile(InventoryCheck={"prove_tester": True}), {}, "tester.memory"),
        ("SMART", profile(SMART={"self_test": "short", "self_test_in_background": False}), {}, "self_test"),
        ("SMART", profile(SMART={"self_test": "short", "self_test_in_background": False}), {}, "self_test_offered"),
        ("Storage", profile(SMART=LONG_IN_BACKGROUND), {}, "self_test"),
        ("Storage", profile("write"), {}, "verified_write"),
        ("Memory", profile(Memory={"memtester_loops": 1}), {}, "bit_patterns"),
        ("CPUStress", profile(), FANS, "fans"),
        ("Burn", profile(), FANS, "fans"),
        ("Network", profile(), PORT, "neighbour"),
    ],
)
def test_what_parameters_and_spec_order_has_to_show(
    stage: str, profile: dict[str, Any], expected: dict[str, Any], check: str
) -> None:
    """The agent requires these of itself; one that leaves them out is not taken at its word."""
    wanted = required_checks.of_stage(stage, profile, expected)
    made = [wire.Check(check, NOT_TESTED if check == "self_test_offered" else PASSED)]
    assert required_checks.why_not_passed(result(*made), wanted, []) == ""
    assert required_checks.why_not_passed(result(wire.Check("other", PASSED)), wanted, []).startswith(
        "required checks are missing or did not pass: "
    )
    if check != "self_test_offered":
        assert required_checks.why_not_passed(result(wire.Check(check, NOT_TESTED, "no tool")), wanted, [])


@pytest.mark.parametrize(
    ("stage", "profile", "expected"),
    [
        ("SMART", profile(SMART=LONG_IN_BACKGROUND), {}),
        ("SMART", profile(SMART={"self_test": "none"}), {}),
        ("Storage", profile(SMART={"self_test": "short", "self_test_in_background": False}), {}),
        ("Memory", profile(Memory={"memtester_loops": 0}), {}),
        ("CPUStress", profile(), {"fans": []}),
        ("Network", profile(), {"nics": [{"mac": "52:54:00:00:00:01"}]}),
    ],
)
def test_nothing_is_demanded_that_nobody_has_ordered(
    stage: str, profile: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert required_checks.of_stage(stage, profile, expected) == []


def test_a_drive_whose_test_was_not_done_is_not_excused_by_one_that_can_do_none() -> None:
    wanted = required_checks.of_stage("SMART", profile(SMART={"self_test": "short"}), {})
    made = [wire.Check("self_test", NOT_TESTED, "aborted", "S1"), wire.Check("self_test_offered", NOT_TESTED, "", "S2")]
    assert (
        required_checks.why_not_passed(result(*made), wanted, [])
        == "required checks are missing or did not pass: self_test"
    )


def test_every_stage_that_requires_more_of_itself_is_known_here() -> None:
    more = {name for name, run in STAGES.items() if "also_required=" in inspect.getsource(inspect.getmodule(run))}
    assert more and more == {name for name, spec in SPECS.items() if spec.also_required is not nothing_more}


@pytest.mark.parametrize(
    ("not_expected", "lacks"), [([], True), (["gpu_load"], True), (["gpu_load", "gpu_memory"], False)]
)
def test_a_gpu_of_which_only_the_presence_was_seen_has_not_passed_whatever_the_profile_lists(
    not_expected: list[str], lacks: bool
) -> None:
    wanted = required_checks.of_stage("GPU", {"stages": {"GPU": {"required": ["present", "link"]}}}, {})
    topics = {"load": "gpu_load", "state": "gpu_load", "memory": "gpu_memory"}
    made = [wire.Check(name, PASSED) for name in ("present", "link")]
    untested = [wire.Check(name, NOT_TESTED, "no driver", "0000:3b:00.0", topic) for name, topic in topics.items()]
    assert bool(required_checks.why_not_passed(result(*made, *untested), wanted, not_expected)) is lacks
    assert (
        required_checks.why_not_passed(result(*made, *(wire.Check(name, PASSED) for name in topics)), wanted, []) == ""
    )


GPU_CHECKS = [wire.Check(name, NOT_TESTED, "no GPU") for name in ("present", "link")]
COUNTERS = wire.Check("counters.kernel_log", PASSED)
NO_GPU = {"gpus": [], "missing_tools": []}


@pytest.mark.parametrize(
    ("stage", "checks", "expected", "inventory", "counts"),
    [
        ("GPU", GPU_CHECKS, {}, NO_GPU, False),
        ("GPU", GPU_CHECKS, {"gpus": []}, NO_GPU, False),
        ("GPU", GPU_CHECKS, {"gpus": [{"uuid": "GPU-1"}]}, NO_GPU, True),
        ("GPU", GPU_CHECKS, {}, {"gpus": [{"uuid": "GPU-1"}], "missing_tools": []}, True),
        ("GPU", GPU_CHECKS, {}, {"gpus": [], "missing_tools": ["lspci"]}, True),
        ("GPU", GPU_CHECKS, {}, None, True),
        ("PSU", [wire.Check("presence", NOT_TESTED)], {"psus": []}, {}, False),
        ("PSU", [wire.Check("presence", NOT_TESTED)], {}, {"psus": [], "missing_tools": []}, True),
        ("SMART", [wire.Check("health", NOT_TESTED, topic="smart")], {"not_expected": ["smart"]}, {}, False),
        ("SMART", [wire.Check("health", NOT_TESTED, topic="smart")], {}, {}, True),
        ("SMART", [wire.Check("health", NOT_TESTED, topic="gpu")], {"not_expected": ["smart"]}, {}, True),
        ("CPUStress", [], {"not_expected": ["smart"]}, {}, True),
    ],
)
@pytest.mark.django_db
def test_a_stage_counts_unless_the_hosts_own_settings_take_it_off(
    stage: str, checks: list[wire.Check], expected: dict[str, Any], inventory: dict[str, Any] | None, counts: bool
) -> None:
    run = rows.a_run(profile=profile(), expected=expected, inventory=inventory)
    stage_run = rows.a_stage(run, stage, "")
    said = wire.Result(
        "b", stage, 1, NOT_TESTED, "none here", 1.0, 2.0, checks=[*checks, COUNTERS], cause=wire.Cause.NOT_EXPECTED
    )
    stage_results.keep(stage_run, said)
    stage_run.refresh_from_db()
    assert (stage_run.outcome, stage_run.counts) == (Outcome.NOT_TESTED, counts)
    assert (stage_run.reason == "none here") is not counts


@pytest.mark.django_db
def test_a_stage_that_only_the_comparison_fails_says_why() -> None:
    run = rows.a_run(profile={"stages": {"SMART": {"limits": {"media_errors_growth_max": 0}}}}, inventory={})
    before = rows.a_run(run.host, profile=run.profile, inventory={})
    rows.a_stage(before, numbers={"media_errors.S1": 0.0})
    now = rows.a_run(run.host, profile=run.profile, inventory={})
    stage_run = rows.a_stage(now, outcome="")
    stage_results.keep(stage_run, wire.Result("b", "SMART", 1, PASSED, "", 1.0, 2.0, numbers={"media_errors.S1": 3.0}))
    stage_run.refresh_from_db()
    assert stage_run.outcome == Outcome.FAILED
    assert "media errors went from 0 to 3 since run" in stage_run.reason
