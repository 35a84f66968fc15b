"""The tester tested: by the real tools where they are installed, and blinded on purpose."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from agent.contract import wire
from agent.stages.inventory_check import stage as inventory_check
from agent.tester_proof import made_faults
from runs.management.commands import selftest as command
from tests.agent_stages import toolbench
from tests.agent_stages.contexts import context

TOOLS = ("stressapptest", "fio", "stress-ng")
with_tools = pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason=f"needs {', '.join(TOOLS)}")
TRIALS = {trial.name: trial for trial in made_faults.TRIALS}


def status_and_output(*arguments: str) -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("selftest", *arguments, stdout=out)
    except SystemExit as left:
        return int(left.code), out.getvalue()
    return 0, out.getvalue()


@pytest.mark.slow
@with_tools
def test_every_fault_made_on_purpose_would_have_kept_a_run_from_passing() -> None:
    status, text = status_and_output("--json")
    rows = {row["trial"]: row for row in json.loads(text)}
    assert status == 0, text
    assert {name: (row["without"], row["with"]) for name, row in rows.items()} == {
        "memory": ("passed", "failed"),
        "disk": ("passed", "failed"),
        "cpu": ("passed", "incomplete"),
        "counter": ("passed", "failed"),
        "kernel_log": ("passed", "failed"),
    }


def test_without_its_tools_the_tester_is_not_proven_and_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    status, text = status_and_output()
    assert status == command.EXIT_NOT_PROVEN
    for tool in TOOLS:
        assert f"{tool} is not installed" in text


@pytest.mark.parametrize("name", ["counter", "kernel_log"])
def test_what_needs_no_tool_is_proven_anywhere(name: str) -> None:
    result = made_faults.run_trial(TRIALS[name])
    assert result.trouble == ""
    assert TRIALS[name].code in [finding.code for finding in result.with_fault.findings]


def test_a_tester_that_does_not_see_the_fault_is_blind() -> None:
    blind = replace(TRIALS["counter"], run=lambda ctx, root, broken: made_faults._counter(ctx, root, False))
    assert "uncorrected memory error is counted: passed" in made_faults.run_trial(blind).trouble


def test_a_tester_that_fails_without_the_fault_cries_wolf() -> None:
    wolf = replace(TRIALS["counter"], run=lambda ctx, root, broken: made_faults._counter(ctx, root, True))
    assert "without the fault it was failed" in made_faults.run_trial(wolf).trouble


def test_a_fault_that_passes_is_worse_than_one_that_is_not_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    passed = {
        "boot_id": "selftest", "stage": "Memory", "attempt": 1, "outcome": "passed", "reason": "", "started": 0.0,
        "ended": 1.0, "checks": [], "findings": [], "counters": [], "numbers": {}, "refusals": [], "inventory": None,
        "evidence": {},
    }  # fmt: skip
    row = {"trial": "memory", "fault": "bits flip", "wants": "memory.miscompare", "trouble": "", "well": passed}
    monkeypatch.setattr(command, "_trials", lambda: iter([json.dumps({**row, "broken": passed})]))
    status, text = status_and_output()
    assert status == command.EXIT_BLIND
    assert "BLIND" in text


def test_an_agent_that_dies_proves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: object) -> None:
    settings.BASE_DIR = tmp_path
    monkeypatch.delenv("PYTHONPATH", raising=False)
    with pytest.raises(CommandError, match="failed"):
        call_command("selftest")


@pytest.mark.parametrize(("trouble", "outcome"), [("", wire.Outcome.PASSED), ("blind", wire.Outcome.NOT_TESTED)])
def test_a_profile_can_ask_for_it_as_a_step_and_a_blind_tester_tests_nothing(
    trouble: str, outcome: wire.Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = TRIALS["counter"]
    if trouble:
        trial = replace(trial, run=lambda ctx, root, broken: made_faults._counter(ctx, root, False))
    monkeypatch.setattr(made_faults, "TRIALS", (trial,))
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", toolbench.install(tmp_path / "bin"))
    toolbench.be_well(monkeypatch, tmp_path, "")
    report = inventory_check.run(
        context("InventoryCheck", tmp_path, params={"link_wait_s": 0, "disk_wait_s": 0, "prove_tester": True})
    )
    assert report.outcome is outcome
    assert [check.name for check in report.checks if check.name.startswith("tester.")] == ["tester.counter"]
