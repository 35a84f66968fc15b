"""The worker rolls up what came, every few minutes; the janitor removes single values if it is asked to."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from runs import retention, rolling_up
from runs.measurements import reading, rollup, storing
from runs.models import Job, Lease, MeasurementBatch, Run, SeriesHour
from tests import factories, rows
from tests.work import do_jobs
from vetting import config

pytestmark = pytest.mark.django_db


def measured(name: str, mac: str, count: int = 3) -> Run:
    run = rows.a_run(rows.a_host(name, mac), state="Completed", ended_at=timezone.now() - timedelta(days=40))
    for n in range(count):
        rows.measured(run, 40.0 + n, 50.0, at=timezone.now() - timedelta(days=41), step_s=30)
    return run


@pytest.fixture
def runs() -> list[Run]:
    return [measured("node-1", "52:54:00:00:00:01"), measured("node-2", "52:54:00:00:00:02")]


def test_the_tick_asks_once_for_what_came(runs: list[Run]) -> None:
    rolling_up.tick()
    rolling_up.tick()
    assert do_jobs() == 1
    newest = MeasurementBatch.objects.latest("pk").pk
    assert Lease.objects.get(name=Lease.ROLL_UP).position == newest
    assert [run.rolled_up_to for run in Run.objects.order_by("pk")] == [newest - 3, newest]
    assert sum(SeriesHour.objects.values_list("count", flat=True)) == 12


def test_nothing_is_written_while_nothing_is_measured(runs: list[Run]) -> None:
    rolling_up.tick()
    do_jobs()
    Lease.objects.filter(name=Lease.ROLL_UP).update(ticked_at=timezone.now() - 2 * rolling_up.EVERY)
    with CaptureQueriesContext(connection) as queries:
        rolling_up.tick()
    assert {query["sql"].split()[0] for query in queries} == {"SELECT"} and not Job.objects.exists()


def test_a_job_that_has_no_time_left_goes_on_with_the_next(runs: list[Run], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rolling_up, "STEP", 2)
    monkeypatch.setattr(rollup, "PIECE", 1)
    first = MeasurementBatch.objects.earliest("pk").pk  # tests before this one may have used the numbers below
    Lease.objects.create(name=Lease.ROLL_UP, position=first - 1)
    assert rolling_up.roll_up_all(until=0.0)
    assert 0 < sum(SeriesHour.objects.values_list("count", flat=True)) < 12
    assert not rolling_up.roll_up_all()
    assert sum(SeriesHour.objects.values_list("count", flat=True)) == 12


def test_single_values_stay_for_ever_unless_the_operator_says_otherwise(runs: list[Run], settings: Any) -> None:
    retention.sweep_a_while()
    assert reading.count() == 12
    settings.VETTING = config.parse({"measurements": {"keep_every_value_days": 30}}, "test")
    live = factories.in_storage()
    before = reading.count(run_id=live.pk)
    call_command("janitor", "--dry-run", stdout=(said := StringIO()))
    assert "12 single values of measurements would go" in said.getvalue() and reading.count() == 12 + before
    retention.sweep_a_while()
    assert reading.count() == before
    (figures,), _ = reading.figures(runs[0], 10)
    assert figures[1] == (6, 40.0, 50.0, 273.0)


def test_values_without_measure_stop_nobodys_roll_up(runs: list[Run]) -> None:
    at = timezone.now() - timedelta(days=41)
    rows.measured(runs[0], 1.7e308, 1.7e308, at=at.replace(minute=0), component="mad")
    rows.measured(runs[0], -1.7e308, -1.7e308, at=at.replace(minute=1), component="mad")
    assert not rolling_up.roll_up_all()
    figures = {key[1]: one for key, one in reading.figures(runs[0], 10)[0]}
    assert figures["mad"].total == 0.0 and figures["CPU0"].number == 6


def test_a_run_whose_values_can_not_be_rolled_up_stops_no_other(
    runs: list[Run], settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(storing, "MOST", 1.8e308)
    at = timezone.now() - timedelta(days=41)
    rows.measured(runs[0], 1.7e308, 1.7e308, at=at.replace(minute=0), component="mad")
    rows.measured(runs[0], -1.7e308, -1.7e308, at=at.replace(minute=1), component="mad")
    settings.VETTING = config.parse({"measurements": {"keep_every_value_days": 30}}, "test")
    assert not rolling_up.roll_up_all()
    newest = MeasurementBatch.objects.filter(run=runs[1]).latest("pk").pk
    assert Run.objects.get(pk=runs[1].pk).rolled_up_to == newest
    assert f"Rolling up the measurements of run {runs[0].pk} failed" in caplog.text
    retention.sweep_a_while()
    assert (reading.count(run_id=runs[0].pk), reading.count(run_id=runs[1].pk)) == (10, 0)


def test_a_damaged_batch_stops_nobodys_roll_up_and_no_removal(runs: list[Run], settings: Any) -> None:
    """As a disk may leave it: its length is no whole number of values."""
    settings.VETTING = config.parse({"measurements": {"keep_every_value_days": 30}}, "test")
    MeasurementBatch.objects.filter(run=runs[0]).update(samples=b"x" * 17)
    assert not rolling_up.roll_up_all()
    newest = MeasurementBatch.objects.filter(run=runs[1]).latest("pk").pk
    assert Run.objects.get(pk=runs[1].pk).rolled_up_to == newest
    retention.sweep_a_while()
    assert MeasurementBatch.objects.filter(run=runs[0]).exists()
    assert not MeasurementBatch.objects.filter(run=runs[1]).exists()
