"""The campaigns themselves: a seed is a plan, the clock moves, and an audit finds what is lost, doubled or wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from runs.files import logs as logfiles
from runs.models import Run
from tests import rows
from tests.chaos import audit, pace, plan
from tests.chaos.plan import DRAWN, Fault

ROOT = Path(__file__).parents[2]


def test_a_seed_is_one_plan_and_another_seed_another() -> None:
    assert plan.steps(7, 15, 4, bounded=True) == plan.steps(7, 15, 4, bounded=True)
    assert plan.steps(7, 15, 4, bounded=True) != plan.steps(8, 15, 4, bounded=True)


def test_every_fault_is_met_within_fifty_seeds_and_lasts_no_longer_than_it_may() -> None:
    steps = [step for seed in range(50) for step in plan.steps(seed, 15, 4, bounded=True)]
    assert {step.fault for step in steps} == set(Fault)
    assert all(0.5 <= step.at_s <= 15 and step.lasts_s <= DRAWN[step.fault][1] for step in steps)


def test_a_clock_of_fair_time_goes_slower_where_more_want_to_run_than_there_are_cores() -> None:
    assert pace.crowd("0.50 0.70 0.90 1/400 12345", cores=2) == 1
    assert pace.crowd("9.50 9.70 9.90 9/400 12345", cores=2) == 4.5


@pytest.mark.django_db(transaction=True)
def test_a_failed_run_is_over_once_its_host_is_off() -> None:
    run = rows.a_run(state="Failed", verdict="failed")
    assert audit.all_over(set()) and not audit.all_over({run.host_id})


def test_what_is_late_is_told_apart_from_what_is_wrong(db: None) -> None:
    bad, stuck = (rows.a_host(f"node-{n}", mac=f"52:54:00:00:00:0{n}") for n in (1, 2))
    rows.a_run(bad, verdict="passed")
    run = rows.a_run(stuck, state="SMART", verdict="")
    said = audit.violations([], {bad.pk}, set(), bounded=True)
    late = [one for one in said if audit.is_late(one)]
    assert f"run {run.pk}: has not come to its end, it is in SMART" in late
    assert not any("a host with a bad disk has passed" in one for one in late)


def test_the_clock_of_a_process_is_moved(tmp_path: Path) -> None:
    clock = tmp_path / "clock"
    clock.write_text("-18000")
    env = {**os.environ, "CHAOS_CLOCK": str(clock), "PYTHONPATH": str(ROOT / "tests" / "chaos" / "clock")}
    code = "import time; from django.utils import timezone; print(time.time(), timezone.now().timestamp())"
    said = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout
    for moved in map(float, said.split()):
        assert -19000 < moved - timezone.now().timestamp() < -17000


@pytest.fixture
def run(db: None) -> Run:
    return rows.a_run(state="Cancelled", verdict="")


def answered(tmp_path: Path, run: Run, *entries: tuple[str, dict[str, Any]]) -> list[str]:
    journal = tmp_path / "journal-1"
    journal.write_text("".join(json.dumps({"call": c, "run": run.pk, "body": body}) + "\n" for c, body in entries))
    return [
        one for one in audit.violations([journal], set(), set(), bounded=False) if one.startswith(f"run {run.pk}: ")
    ]


def test_a_line_that_was_answered_and_is_gone_or_there_twice_is_told(tmp_path: Path, run: Run) -> None:
    lines = "".join(logfiles.format_line(1.0, "info", "SMART", f"line 1-{n}") for n in (2, 3, 3))
    logfiles.append(run.pk, 0, lines.encode())
    body = {"lines": [{"text": "line 1-1"}, {"text": "line 1-2"}]}
    assert answered(tmp_path, run, ("log", body)) == [
        f"run {run.pk}: 1 lines of the log were answered and are not there, such as 1-1",
        f"run {run.pk}: 1 lines of the log are there twice, such as 1-3",
    ]


def test_a_measurement_that_was_answered_and_is_gone_is_told(tmp_path: Path, run: Run) -> None:
    rows.measured(run, 1.0)
    body = {"measurements": [{"value": 1.0}, {"value": 2.0}]}
    assert answered(tmp_path, run, ("sensor", body)) == [
        f"run {run.pk}: 1 measurements were answered and are not there"
    ]


def test_a_result_that_was_answered_and_is_gone_is_told(tmp_path: Path, run: Run) -> None:
    rows.a_stage(run, "SMART", outcome="")
    body = {"stage": "SMART", "attempt": 1, "findings": []}
    what = "the result of SMART attempt 1 was answered and is not there"
    assert answered(tmp_path, run, ("result", body)) == [f"run {run.pk}: {what}"]


def test_a_bad_host_that_passed_a_good_one_that_failed_and_a_run_without_an_end_are_told(db: None) -> None:
    bad, good, stuck = (rows.a_host(f"node-{n}", mac=f"52:54:00:00:00:0{n}") for n in (1, 2, 3))
    rows.a_run(bad, verdict="passed")
    rows.a_run(good, state="Released", verdict="failed", stopped_by="silent")
    rows.a_run(stuck, state="SMART", verdict="")
    said = audit.violations([], {bad.pk}, set(), bounded=True)
    wanted = (
        "a host with a bad disk has passed",
        "a good host has failed: silent",
        "has not come to its end, it is in SMART",
    )
    for words in wanted:
        assert sum(words in one for one in said) == 1
