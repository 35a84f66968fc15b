"""Curves and reports say the same whether measurements are rolled up, in part, or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from runs.desk import series
from runs.machine import State
from runs.measurements import reading, removing, rollup, storing
from runs.models import MeasurementBatch, Run
from runs.reports import measured
from tests import factories, rows
from tests.measurements import world

pytestmark = pytest.mark.django_db


def nothing(run: Run) -> None:
    """Leave all of it in batches."""


def half(run: Run) -> None:
    rollup.roll_up(run.pk)


def everything(run: Run) -> None:
    while rollup.roll_up(run.pk):
        pass


def a_run_of(hours: float, every_s: int, roll: Callable[[Run], None]) -> tuple[Run, list[world.Sample]]:
    """With a roll-up in the middle, after which late ones come."""
    end = int(time.time())
    made = world.batches(int(end - hours * 3600) + 5, end, every_s)
    run = factories.started(State.BURN, minutes=hours * 60)
    factories.StageRunFactory(run=run, name=State.BURN, go_at=datetime.fromtimestamp(end - hours * 3600, UTC))
    storing.keep([(run.pk, batch) for batch in made[: len(made) // 2]])
    roll(run)
    storing.keep([(run.pk, batch) for batch in made[len(made) // 2 :]])
    run.refresh_from_db()
    return run, [sample for batch in made for sample in batch]


def shown(document: dict[str, Any]) -> dict[tuple[str, str, str], dict[int, float]]:
    return {
        (chart["name"], chart["key"].split()[1] if chart["name"] == "temp" else "", line["component"]): {
            at: value for at, value in zip(chart["times"], line["values"], strict=True) if value is not None
        }
        for chart in document["charts"]
        for line in chart["lines"]
    }


def expected(samples: list[world.Sample], document: dict[str, Any], start_s: int) -> dict[Any, Any]:
    """Of the lines that are shown: which those are, of more than twelve, is a test of its own."""
    all_of = {(*one.chart, one.component): one.values for one in world.lines(samples, start_s, document["step_s"])}
    return {key: pytest.approx(all_of[key], abs=0.0051) for key in shown(document)}


@pytest.mark.parametrize("roll", [nothing, half, everything])
@pytest.mark.parametrize(
    ("hours", "every_s", "window_s"), [(0.4, 5, None), (3, 20, 900), (3, 20, 3600), (9, 60, None), (9, 60, 21_600)]
)
def test_curves_are_what_was_measured(
    roll: Callable[[Run], None], hours: float, every_s: int, window_s: int | None
) -> None:
    run, samples = a_run_of(hours, every_s, roll)
    document = series.series(run, window_s)
    assert shown(document) == expected(samples, document, document["start"])
    assert {chart["title"]: (len(chart["lines"]), chart["hidden"]) for chart in document["charts"]} == {
        "Processor temperature": (2, 0), "Memory module temperature": (12, 2), "Fans": (3, 0), "Power": (1, 0),
    }  # fmt: skip


@pytest.mark.parametrize("roll", [nothing, half, everything])
def test_what_came_since_is_the_end_of_the_whole(roll: Callable[[Run], None]) -> None:
    run, samples = a_run_of(9, 60, roll)
    last = MeasurementBatch.objects.latest("pk").pk
    for ago_s in (10, 600, 7200):
        since = int(time.time()) - ago_s
        fresh = series.series(run, known=series.Known(since, last))
        assert not fresh["whole"]
        assert shown(fresh) == expected(samples, fresh, since - since % fresh["step_s"])


@pytest.mark.parametrize("roll", [nothing, half, everything])
def test_the_report_says_the_same(roll: Callable[[Run], None]) -> None:
    run, samples = a_run_of(5, 60, roll)
    found, left_out = measured.figures(run)
    assert left_out == 0 and len(found) == len(world.SENSORS)
    for row in found:
        key = row["component"], row["name"], row["component_kind"], row["unit"]
        mine = [value for one, _, value in samples if one == key]
        assert (row["lowest"], row["highest"], row["count"]) == (min(mine), max(mine), len(mine))
        assert row["mean"] == pytest.approx(sum(mine) / len(mine), rel=1e-12)


def test_measurements_of_curves_beyond_the_bound_are_counted() -> None:
    for roll in (nothing, half):
        run, samples = a_run_of(1, 60, roll)
        kept, left_out = reading.figures(run, 5)
        assert len(kept) == 5 and left_out == len(samples) - sum(figures.number for _, figures in kept) > 0


def test_each_batch_is_rolled_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another worker does the same at the same time, between reading and writing."""
    run, samples = a_run_of(1, 20, nothing)
    by_hour, calls = rollup.by_hour, []

    def with_another(batches: Any) -> Any:
        found = by_hour(batches)
        if not calls:
            calls.append(run)
            rollup.roll_up(run.pk)
        return found

    monkeypatch.setattr(rollup, "by_hour", with_another)
    everything(run)
    run.refresh_from_db()
    assert run.rolled_up_to == MeasurementBatch.objects.latest("pk").pk
    assert sum(figures.number for _, figures in reading.figures(run, 100)[0]) == len(samples)


def test_measurements_of_a_series_that_is_gone_do_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    run, _ = a_run_of(0.2, 20, nothing)
    run.series.filter(component="CPU0").delete()
    everything(run)
    assert "series that it does not have" in caplog.text
    assert len(measured.figures(run)[0]) == len(world.SENSORS) - 1


def test_without_single_values_the_minutes_remain() -> None:
    run, samples = a_run_of(2, 20, half)
    Run.objects.filter(pk=run.pk).update(state=State.COMPLETED, ended_at=timezone.now())
    run.refresh_from_db()
    report, _ = measured.figures(run)
    assert removing.remove_values(run.pk) == len(samples)
    run.refresh_from_db()
    assert reading.count(run_id=run.pk) == 0
    assert measured.figures(run)[0] == [row | {"mean": pytest.approx(row["mean"])} for row in report]
    document = series.series(run, 3600)
    assert document["step_s"] == 60 and shown(document) == expected(samples, document, document["start"])


def test_a_dashboard_tile_has_the_highest_temperature_of_the_last_minute() -> None:
    from runs.desk import tiles

    run, now = factories.started(State.BURN, minutes=60), timezone.now()
    rows.measured(run, 91.0, at=now - timedelta(minutes=5))
    rows.measured(run, 71.0, 73.5, 72.0, at=now - timedelta(seconds=40), step_s=2)
    rows.measured(run, 4000.0, at=now, name="fan", unit="rpm", component_kind="fan")
    (tile,) = tiles.of_runs([run.pk])
    assert tile.hottest_c == 73.5


def test_a_short_run_keeps_its_curves_without_its_single_values() -> None:
    run, _ = a_run_of(0.2, 20, everything)
    Run.objects.filter(pk=run.pk).update(ended_at=timezone.now(), state=State.COMPLETED)
    run.refresh_from_db()
    before = series.series(run)
    removing.remove_values(run.pk)
    after = series.series(run)
    assert {chart["name"] for chart in after["charts"]} == {chart["name"] for chart in before["charts"]} != set()
