"""Every invariant holds on runs as they are made, and is seen to fail on rows and files made wrong."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from runs import invariants
from runs.invariants import kinds
from runs.machine import Event, State
from runs.models import Run
from tests.factories import RunFactory, worker_at_work
from tests.invariants import wrong_results, wrong_rows  # noqa: F401  they list their cases
from tests.invariants.cases import CASES
from tests.invariants.conftest import Runs
from vetting import doctor

# Seen to fail in tests/pxe/test_invariants.py, which has dnsmasq's files.
ELSEWHERE = {"allowlist_is_enabled_hosts"}


def broken() -> set[str]:
    return {violation.invariant for violation in doctor.violations(again_after_s=0)}


@contextmanager
def undone() -> Iterator[None]:
    """Rows and files are afterwards as they were; a worker does its round meanwhile."""
    worker_at_work()
    kept = settings.RUNS_DIR.with_name("kept")
    shutil.copytree(settings.RUNS_DIR, kept)
    try:
        with transaction.atomic():
            yield
            transaction.set_rollback(True)
    finally:
        shutil.rmtree(settings.RUNS_DIR)
        kept.rename(settings.RUNS_DIR)


def test_nothing_is_broken_where_nothing_ever_ran(db: None) -> None:
    assert broken() == set()


@pytest.mark.parametrize(("is_in_profile", "found"), [(False, set()), (True, {"history_in_table"})])
def test_a_run_may_be_older_than_a_stage_but_not_leave_out_one_of_its_profile(
    made: Runs, is_in_profile: bool, found: set[str]
) -> None:
    with undone():
        leave_out(made.passed, "Memory", is_in_profile=is_in_profile)
        assert broken() & {"history_in_table", "history_is_chain", "attempts_by_history"} == found
    made.refresh()


def leave_out(run: Run, stage: str, *, is_in_profile: bool) -> None:
    """Change the history as if the version of that time had not had this stage."""
    leaves = run.events.get(kind=Event.STAGE_DONE, state_before=stage)
    run.events.filter(kind=Event.STAGE_DONE, state_after=stage).update(state_after=leaves.state_after)
    leaves.delete()
    run.stage_runs.filter(name=stage).delete()
    if not is_in_profile:
        del run.profile["stages"][stage]
        run.save(update_fields=["profile"])


def test_wrong_rows_break_their_invariants_and_no_others(made: Runs, subtests: pytest.Subtests) -> None:
    assert doctor.violations(again_after_s=0) == []
    assert (made.passed.state, made.passed.verdict) == (State.COMPLETED, "passed")
    assert (made.held.state, made.testing.state) == (State.FAILED_HOLDING, State.MEMORY)
    for case in CASES:
        with subtests.test(case.name), undone():
            case.make(made)
            assert broken() == case.breaks
        made.refresh()


def test_every_invariant_is_seen_to_fail() -> None:
    seen = {name for case in CASES for name in case.breaks}
    assert {one.name for one in doctor.INVARIANTS} == seen | ELSEWHERE


def test_many_broken_rows_are_told_by_the_first_and_a_number(db: None) -> None:
    RunFactory.create_batch(kinds.MOST_TOLD + 5, state=State.RELEASED, verdict="failed", report_due=True)
    told = [one.what for one in invariants.check() if one.invariant == "ended_when_over"]
    assert (len(told), told[-1]) == (kinds.MOST_TOLD + 1, "and 5 more")


def test_an_invariant_that_cannot_be_checked_is_told_and_the_others_are_checked(db: None) -> None:
    RunFactory(state=State.RELEASED, verdict="failed", report_due=True)

    def fails(scope: kinds.Scope) -> Iterator[kinds.Broken]:
        yield kinds.Broken(7, "seen before")
        raise KeyError("inventory")

    bad = kinds.Invariant("bad", "says", "means", fails)
    told = invariants.check(invariants=(bad, *invariants.ALL))
    assert [one.what for one in told if one.invariant == "bad"] == [
        "seen before",
        "it could not be checked to the end, by a fault of ours (KeyError('inventory'))",
    ]
    assert "ended_when_over" in {one.invariant for one in told}


def test_the_newest_and_the_live_are_looked_at_however_many_there_are(db: None) -> None:
    live = RunFactory(state=State.QUEUED)
    RunFactory(state=State.RELEASED)
    newest = RunFactory(state=State.RELEASED)
    assert set(kinds.newest(1).runs()) == {live, newest}
    wrong = {one.run for one in invariants.check(kinds.newest(1)) if one.invariant == "state_by_history"}
    assert wrong == {live.pk, newest.pk}


def test_its_queries_do_not_grow_with_the_runs(db: None) -> None:
    counts = []
    for _ in range(2):
        RunFactory.create_batch(3, state=State.COMPLETED, verdict="passed", report_due=True)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            doctor.violations(again_after_s=0)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_what_is_mended_meanwhile_is_not_told(db: None) -> None:
    """Beside a working orchestrator rows and files are not read at one moment."""
    looks: list[int] = []

    def once(scope: invariants.Scope) -> Iterator[invariants.Broken]:
        looks.append(1)
        if len(looks) == 1:
            yield invariants.Broken(1, "in the middle of it")

    fleeting = invariants.Invariant("fleeting", "", "", once)
    assert invariants.check(invariants=[fleeting], again_after_s=0.01) == []


def test_nothing_can_be_written_while_it_looks(db: None) -> None:
    with doctor.read_only(), pytest.raises(DatabaseError, match=r"readonly|read-only"), transaction.atomic():
        RunFactory()
    assert RunFactory().pk
