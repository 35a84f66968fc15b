"""SpecValidate, which the orchestrator resolves itself: passed, failed, or not tested with the reason."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agent.contract import codec, wire
from runs import adopting, orchestrator_stages
from runs.judging import specdiff
from runs.machine import State
from runs.models import Run
from tests import rows
from tests.runs.test_specdiff import SERVER, SPEC

pytestmark = pytest.mark.django_db


def judged(expected: dict[str, Any] | None, inventory: wire.Inventory | None) -> Run:
    """A run in SpecValidate, with what resolving it made of it."""
    run = rows.a_run(
        rows.a_host(expected=expected),
        state=State.SPEC_VALIDATE,
        verdict="",
        expected=expected,
        inventory=codec.encode(inventory) if inventory else None,
        profile={"name": "quick", "stages": {"SMART": {"timeout_s": 60}}},
    )
    rows.a_stage(run, "SpecValidate", outcome="")
    orchestrator_stages.advance(run)
    run.refresh_from_db()
    return run


def stage(run: Run) -> tuple[str, str]:
    row = run.stage_runs.get(name="SpecValidate")
    return row.outcome, row.reason


def test_a_host_as_expected_goes_on_to_the_next_stage() -> None:
    run = judged(SPEC, SERVER)
    assert run.state == State.SMART
    assert stage(run) == ("passed", "all as expected")


def test_a_warning_is_kept_and_the_run_goes_on() -> None:
    run = judged(SPEC, replace(SERVER, psus=[*SERVER.psus, wire.Psu("PSU3")]))
    assert run.state == State.SMART
    assert stage(run) == ("passed", "1 difference, 0 critical")
    assert run.spec_diffs.get().path == "psus[PSU3]"


def test_a_missing_part_fails_the_run_and_is_blamed() -> None:
    run = judged(SPEC, replace(SERVER, disks=SERVER.disks[:1]))
    assert (run.state, run.verdict, run.host.health) == (State.FAILED, "failed", "bad")
    finding = run.findings.get()
    assert (finding.code, finding.component) == ("spec.missing", "SATA-1")
    assert run.events.filter(tells="SpecMismatch").count() == 1


def test_no_spec_is_not_tested_and_goes_on() -> None:
    run = judged(None, SERVER)
    assert run.state == State.SMART
    assert stage(run)[0] == "not_tested"
    assert "adopt what was found" in stage(run)[1]


@pytest.mark.parametrize("spec", [{}, {"not_expected": ["ecc", "bmc"]}, {"cpu": {}, "pinned": ["firmware.bios"]}])
def test_a_spec_that_names_no_part_compares_nothing_and_passes_nothing(spec: dict[str, Any]) -> None:
    run = judged(spec, SERVER)
    assert stage(run) == (
        "not_tested",
        "the expected spec names no part: adopt what was found, or enter one",
    )
    adopting.adopt(run)
    run.refresh_from_db()
    adopted = run.host.expected
    assert adopted["disks"] and adopted["memory"] and specdiff.compare(adopted, SERVER) == []
    assert set(spec.get("not_expected", [])) <= set(adopted["not_expected"])
    assert adopted.get("pinned") == spec.get("pinned")


def test_that_none_may_be_there_is_a_spec() -> None:
    assert stage(judged({"disks": []}, SERVER))[0] == "passed"


def test_what_the_inventory_can_not_answer_is_not_tested_with_the_reason() -> None:
    blind = replace(SERVER, gpus=[], missing_tools=["lspci"])
    run = judged(SPEC, blind)
    assert run.state == State.SMART
    silent = "gpus could not be compared: lspci gave no answer; adapters could not be compared: lspci gave no answer"
    assert stage(run) == ("not_tested", silent)
