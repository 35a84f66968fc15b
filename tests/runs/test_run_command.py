"""`run cancel|release|retry|again` and `report`: what the pages offer, in the same words."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from runs.models import Lease, Run
from tests import rows

pytestmark = pytest.mark.django_db


def said(*words: str) -> str:
    out = io.StringIO()
    call_command(*words, stdout=out, stderr=io.StringIO())
    return out.getvalue().strip()


def refusal(*words: str) -> str:
    with pytest.raises(CommandError) as error:
        said(*words)
    assert error.value.returncode == 4
    return str(error.value)


@pytest.fixture
def live() -> Run:
    return rows.a_run(rows.a_host("pve-1"), state="Memory", verdict="")


@pytest.fixture
def held() -> Run:
    run = rows.a_run(rows.a_host("pve-2", "52:54:00:00:00:02"), state="FailedHolding", verdict="failed")
    rows.a_stage(run, "InventoryCheck")
    rows.a_stage(run, "SMART", "failed")
    return run


@pytest.fixture
def worker() -> None:
    Lease.objects.create(name=Lease.ROUND, ticked_at=timezone.now())


def test_a_run_is_cancelled_with_the_words_of_its_page(live: Run) -> None:
    assert said("run", "cancel", str(live.pk), "--yes") == f"Run {live.pk} of pve-1 is cancelled."
    live.refresh_from_db()
    assert live.events.filter(who="command line").exists()


def test_without_a_terminal_what_can_not_be_undone_needs_a_yes(
    live: Run, held: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert "confirm with --yes" in refusal("run", "cancel", str(live.pk))
    assert "confirm with --yes" in refusal("run", "release", str(held.pk))


@pytest.mark.parametrize(("typed", "is_done"), [("y\n", True), ("\n", False), ("no\n", False)])
def test_at_a_terminal_it_asks(held: Run, typed: str, is_done: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal(typed))
    if is_done:
        assert said("run", "release", str(held.pk)) == "pve-2 is released and powers itself off."
        return
    with pytest.raises(CommandError, match="nothing was changed"):
        said("run", "release", str(held.pk))
    held.refresh_from_db()
    assert held.state == "FailedHolding"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("cancel", "999", "--yes"), "there is no run 999; the newest is"),
        (("retry", "LIVE"), 'is now "Memory": "Retry stage" is not possible then.'),
        (("release", "LIVE", "--yes"), '"Release host" is not possible then.'),
        (("retry", "HELD", "SMRT"), "has no stage 'SMRT' to retry; did you mean 'SMART'?"),
        (("retry", "HELD", "Burn"), "there are SMART (failed), InventoryCheck (passed)"),
    ],
)
def test_what_is_not_possible_ends_with_4_and_the_reason(
    live: Run, held: Run, words: tuple[str, ...], says: str
) -> None:
    numbers = {"LIVE": str(live.pk), "HELD": str(held.pk)}
    assert says in refusal("run", *(numbers.get(word, word) for word in words))


@pytest.mark.parametrize("stage", [(), ("SMART",), ("smart",), ("disk health",)])
def test_a_stage_is_retried_by_any_of_its_names(held: Run, stage: tuple[str, ...]) -> None:
    answer = said("run", "retry", str(held.pk), *stage)
    assert answer.endswith("runs again as soon as a slot is free.")
    held.refresh_from_db()
    assert held.retry_stage == "SMART"


def test_of_two_stages_that_did_not_pass_one_must_be_named(held: Run) -> None:
    rows.a_stage(held, "Memory", "not_tested")
    assert refusal("run", "retry", str(held.pk)).startswith("name one stage; there are ")


def test_the_same_host_is_vetted_again(worker: None) -> None:
    run = rows.a_run(rows.a_host("pve-3"))
    new = said("run", "again", str(run.pk), "--repair", "DIMM_A1")
    number = run.pk + 1
    assert new == f"run {number} is queued; to follow it: ./manage.py runs {number} --follow"
    assert (Run.objects.get(pk=number).repair, Run.objects.get(pk=number).host) == ("DIMM_A1", run.host)
    assert "cancel or release it first" in refusal("run", "again", str(run.pk))


def test_vetting_again_needs_a_worker() -> None:
    assert "no worker is running" in refusal("run", "again", str(rows.a_run().pk))


def test_the_report_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = rows.a_run(rows.a_host("pve-4"))
    assert said("report", str(run.pk)) == f"vetting-run-{run.pk}-pve-4.html: the report of run {run.pk}, verdict passed"
    assert "<!DOCTYPE html>" in Path(f"vetting-run-{run.pk}-pve-4.html").read_text()
    said("report", str(run.pk), "--json", "--output", "it.json")
    assert json.loads(Path("it.json").read_text())["run"]["id"] == run.pk


def test_the_report_is_written_again_if_the_run_is_over(live: Run) -> None:
    run = rows.a_run(rows.a_host("pve-5", "52:54:00:00:00:05"))
    assert said("report", str(run.pk), "--again").startswith("The report is written again")
    run.refresh_from_db()
    assert run.report_due
    assert "goes on: its report is written when it ends" in refusal("report", str(live.pk), "--again")
    assert "there is no run 999" in refusal("report", "999")


def test_a_report_that_can_not_be_written_says_why(tmp_path: Path) -> None:
    run = rows.a_run(rows.a_host("pve-6"))
    with pytest.raises(CommandError, match="No such file or directory"):
        said("report", str(run.pk), "--output", str(tmp_path / "nowhere" / "it.html"))
