"""A host that failed, was opened and booted anew is tested as a whole: nothing that failed before hides a test."""

from __future__ import annotations

import pytest

from runs import lifecycle, orchestrator_stages, stage_rows
from runs.models import Run
from tests import work
from tests.rows import a_host
from tests.talker import EXPECTED, MAC, Talker

pytestmark = pytest.mark.django_db


@pytest.fixture
def run() -> Run:
    host = a_host(mac=MAC, expected=EXPECTED, destructive_allowed=True)
    return lifecycle.start_run(host, profile_name="quick-write", overrides={"on_failure": "continue"})


def _through_with(talker: Talker, failing: dict[str, str]) -> None:
    """Stage by stage to the end, these with another outcome than passed."""
    run = Run.objects.get(pk=talker.run_id)
    for stage, outcome in failing.items():
        talker.pass_stages_until(stage)
        work.dispatch()
        talker.result(stage, outcome, attempt=stage_rows.current(_now(run)).attempt)
    if _now(run).state not in ("Failed", "Completed"):
        talker.pass_stages_until("Failed" if failing else "Completed")


def _now(run: Run) -> Run:
    return Run.objects.get(pk=run.pk)


def _boot_anew_and_retry(run: Run) -> Talker:
    again = Talker(run.host, boot_id="boot-2")
    again.fetch_script()
    again.hello()
    again.claim()
    again.hold()
    lifecycle.ask_retry(_now(run), "InventoryCheck")
    work.dispatch()
    return again


@pytest.mark.parametrize("failed", [["Storage", "Burn"], ["Network"]], ids="+".join)
def test_a_writing_stage_is_tested_again_whatever_failed_before_the_boot(run: Run, failed: list[str]) -> None:
    first = Talker(run.host)
    first.boot_and_claim()
    _through_with(first, dict.fromkeys(failed, "failed"))
    first.hold()
    again = _boot_anew_and_retry(run)
    _through_with(again, {})
    passed = _now(run)
    assert (passed.state, passed.verdict) == ("Completed", "passed")
    newest = {row.name: row for row in passed.stage_runs.order_by("attempt")}
    assert (newest["Storage"].outcome, newest["Storage"].boot, newest["Storage"].counts) == ("passed", 2, True)


def test_a_writing_stage_that_a_failure_passed_over_is_missed_by_the_verdict(run: Run) -> None:
    """CPU fails, so that Storage does not write, and passes when it is tried again: Storage was never tested."""
    talker = Talker(run.host)
    talker.boot_and_claim()
    _through_with(talker, {"CPUStress": "failed"})
    storage = run.stage_runs.get(name="Storage")
    assert (storage.outcome, storage.counts) == ("not_tested", True)
    assert storage.reason == orchestrator_stages.AFTER_A_FAILURE.reason
