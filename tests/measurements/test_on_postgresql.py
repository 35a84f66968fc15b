"""Storing, rolling up and reading on PostgreSQL."""

from __future__ import annotations

import time

import pytest
from django.utils import timezone

from agent.contract import wire
from runs import measurements, rolling_up
from runs.desk import series, tiles
from runs.machine import State
from runs.measurements import reading, removing
from runs.reports import measured
from tests import factories, rows
from tests.backups.conftest import own_postgresql, own_system  # noqa: F401  fixtures

pytestmark = pytest.mark.slow


def test_measurements_are_stored_rolled_up_read_and_removed(own_postgresql: None) -> None:  # noqa: F811
    run, now = factories.started(State.BURN, minutes=9 * 60), int(time.time())
    factories.StageRunFactory(run=run, name=State.BURN, go_at=run.started_at)
    for at in range(now - 8 * 3600, now, 60):
        found = [wire.Measurement(at, "cpu", f"CPU{n}", "temp", 40.0 + n + at % 7, "C") for n in range(3)]
        measurements.store([(run.pk, found)])
        measurements.store([(run.pk, [wire.Measurement(at + 9, "fan", "FAN1", "fan", 4000.5, "rpm")])])
    rows.measured(run, 71.0)
    (tile,) = tiles.of_runs([run.pk])
    assert tile.hottest_c == 71.0
    whole, report = series.series(run), measured.figures(run)
    assert [(chart["title"], len(chart["lines"]), len(chart["times"]) >= 480) for chart in whole["charts"]] == [
        ("Processor temperature", 3, True), ("Fans", 1, True),
    ]  # fmt: skip
    assert not rolling_up.roll_up_all()
    run.refresh_from_db()
    assert run.rolled_up_to and series.series(run)["charts"] == whole["charts"] and measured.figures(run) == report
    (found,) = measurements.before(run.pk, [wire.Measurement(now, "fan", "FAN1", "fan", 1.0, "rpm")])
    assert found.value == 4000.5
    type(run).objects.filter(pk=run.pk).update(state=State.COMPLETED, ended_at=timezone.now())
    assert removing.with_values(type(run).objects.all()) == [run.pk]
    assert removing.remove_values(run.pk) == 4 * 480 + 1 and reading.count() == 0
    assert measured.figures(run) == report
    run.delete()
