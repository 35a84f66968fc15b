"""A repair shows what it would change, changes it when told to, mends the invariant, and stands in the history."""

from __future__ import annotations

import io

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from runs.invariants import repairs
from tests.invariants import wrong_results, wrong_rows
from tests.invariants.cases import CASES
from tests.invariants.conftest import Runs, write_reports
from tests.invariants.test_invariants import broken, undone
from vetting import doctor

MENDED = {
    "close_holds": (wrong_rows.a_hold_that_stays_open, wrong_rows.a_key_that_is_kept),
    "log_length": (wrong_results.a_log_that_lost_its_end, wrong_results.a_log_that_is_gone),
    "write_reports": (
        wrong_results.a_report_that_is_gone,
        wrong_results.a_report_that_was_changed,
        wrong_results.a_report_that_is_not_even_due,
    ),
    "move_orphans": (wrong_results.a_directory_of_no_run, wrong_results.what_a_dead_process_left_behind),
}


def test_each_repair_mends_what_it_is_offered_for(made: Runs, subtests: pytest.Subtests) -> None:
    expected = {case.make: case.breaks for case in CASES}
    for name, cases in MENDED.items():
        for make in cases:
            with subtests.test(f"{name}: {make.__name__}"), undone():
                make(made)
                shown = call_command("doctor", "--repair", name, stdout=(said := io.StringIO()))
                assert (shown, broken()) == (None, expected[make])
                assert "would: " in said.getvalue() and "Nothing was changed" in said.getvalue()
                call_command("doctor", "--repair", name, "--yes", stdout=(said := io.StringIO()))
                write_reports()
                assert broken() == set()
                told = [run.events.filter(kind="repaired").count() for run in (made.passed, made.held)]
                assert sum(told) == (name != "move_orphans")
            made.refresh()


def test_repairs_find_nothing_where_nothing_is_broken(made: Runs) -> None:
    assert {name: list(repair.plan()) for name, repair in repairs.ALL.items()} == {name: [] for name in repairs.ALL}


def test_every_repair_that_is_offered_exists() -> None:
    offered = {one.repair for one in doctor.INVARIANTS if one.repair}
    assert offered == repairs.ALL.keys() == MENDED.keys()


def test_a_repair_that_is_not_known_is_refused_with_those_that_are(db: None) -> None:
    with pytest.raises(CommandError, match="there is no repair 'all'; there are close_holds, "):
        call_command("doctor", "--repair", "all")


def test_two_orphans_of_one_name_are_both_kept(db: None) -> None:
    for _ in range(2):
        (settings.RUNS_DIR / "4711").mkdir(parents=True)
        call_command("doctor", "--repair", "move_orphans", "--yes", stdout=io.StringIO())
    kept = settings.RUNS_DIR.parent / "orphans"
    assert sorted(path.name for path in kept.iterdir()) == ["4711", "4711.2"]
