"""What agents measure is stored once, whatever else happens at that time."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from agent.contract import wire
from hosts import bounds
from runs import measurements
from runs.measurements import packing, reading, series_ids, storing
from runs.models import MeasurementBatch, Run, Series
from tests import rows

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    series_ids.forget()
    yield
    series_ids.forget()


@pytest.fixture
def run() -> Run:
    return rows.a_run()


def fan(value: float, component: str = "FAN1", at: float | None = None) -> wire.Measurement:
    return wire.Measurement(time.time() if at is None else at, "fan", component, "fan", value, "rpm")


def values(run: Run) -> list[float]:
    return [one.value for one in reading.every(run.pk)]


def test_the_batches_of_many_runs_are_one_insertion(run: Run) -> None:
    runs = [run, *(rows.a_run(run.host) for _ in range(4))]
    batches = [(one.pk, [fan(900.0 + n, f"FAN{n}") for n in range(50)]) for one in runs]
    measurements.store(batches)
    with CaptureQueriesContext(connection) as queries, transaction.atomic():
        measurements.store(batches)
    assert [query["sql"].split(" INTO ")[0] for query in queries] == [
        "BEGIN IMMEDIATE", "5 times: INSERT", "COMMIT",
    ]  # fmt: skip
    assert MeasurementBatch.objects.count() == 10 and reading.count() == 500
    assert Series.objects.count() == 250


def test_every_field_comes_back_as_it_was_sent(run: Run) -> None:
    storing.keep([(run.pk, [(("CPU0", "temp", "cpu", "C"), 1_790_000_000_123, 61.53)])])
    (one,) = reading.every(run.pk)
    assert one == (1_790_000_000_123, "cpu", "CPU0", "temp", 61.53, "C")
    assert MeasurementBatch.objects.get().hottest == 61.53


def test_a_time_that_can_not_be_is_when_it_came(run: Run) -> None:
    for at in (0.0, 1e300, -1e300, 4e9):
        measurements.store([(run.pk, [fan(1.0, at=at)])])
    assert all(abs(one.at_ms / 1000 - time.time()) < 60 for one in reading.every(run.pk))


def test_two_samples_of_one_series_at_one_time_are_both_kept(run: Run) -> None:
    now = time.time()
    measurements.store([(run.pk, [fan(1.0, at=now), fan(2.0, at=now)])])
    measurements.store([(run.pk, [fan(2.0, at=now)])])
    assert values(run) == [1.0, 2.0, 2.0]
    (figures,), _ = reading.figures(run, 10)
    assert figures[1] == (3, 1.0, 2.0, 5.0)


def test_a_series_whose_creation_was_rolled_back_is_made_again(run: Run) -> None:
    for savepoint in (False, True):
        with transaction.atomic():
            with transaction.atomic():
                measurements.store([(run.pk, [fan(1.0, f"FAN{savepoint}")])])
                transaction.set_rollback(True)
            if not savepoint:
                transaction.set_rollback(True)
        measurements.store([(run.pk, [fan(2.0, f"FAN{savepoint}")])])
    assert values(run) == [2.0, 2.0]


def test_a_second_batch_of_the_same_transaction_finds_the_new_series(run: Run) -> None:
    with transaction.atomic():
        measurements.store([(run.pk, [fan(1.0)])])
        measurements.store([(run.pk, [fan(2.0)])])
    assert Series.objects.count() == 1 and values(run) == [1.0, 2.0]


def test_a_series_that_another_process_has_made_is_found(run: Run) -> None:
    measurements.store([(run.pk, [fan(1.0)])])
    other = Series.objects.create(run=run, component_kind="fan", component="FAN2", name="fan", unit="rpm")
    measurements.store([(run.pk, [fan(2.0, "FAN2"), fan(3.0, "FAN3")])])
    assert Series.objects.count() == 3 and values(run) == [1.0, 2.0, 3.0]
    assert packing.unpack(MeasurementBatch.objects.latest("pk").samples).series[0] == other.pk


def test_a_run_that_was_deleted_takes_all_of_it_along_and_its_number_is_not_given_again(run: Run) -> None:
    measurements.store([(run.pk, [fan(1.0)])])
    pk, host = run.pk, run.host
    run.delete()
    assert not Series.objects.exists() and not MeasurementBatch.objects.exists()
    again = rows.a_run(host)
    measurements.store([(again.pk, [fan(2.0)])])
    assert again.pk != pk and values(again) == [2.0]


def test_what_is_known_of_series_is_bounded(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series_ids, "MOST_KEPT", 60)
    others = [rows.a_run(run.host) for _ in range(3)]
    for _ in range(2):
        for one in (run, *others):
            measurements.store([(one.pk, [fan(1.0, f"FAN{n}") for n in range(25)])])
    assert sum(map(len, series_ids._known.values())) <= 60
    assert Series.objects.count() == 100 and reading.count() == 200


def test_a_run_has_so_many_curves_and_what_is_of_more_is_counted(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent that names another part in each measurement filled the memory of the web process, and the disk."""
    monkeypatch.setattr(bounds, "RUN_SERIES", bounds.Bound(30, "curves"))
    other = rows.a_run(run.host)
    for first in range(0, 100, 20):
        left = measurements.store(
            [(run.pk, [fan(first + n, f"FAN{first + n}") for n in range(20)]), (other.pk, [fan(1.0)])]
        )
    assert left == {run.pk: 20} and Series.objects.filter(run=run).count() == 30
    assert len(set(values(run))) == 30 and len(values(other)) == 5
    with CaptureQueriesContext(connection) as queries, transaction.atomic():
        assert measurements.store([(run.pk, [fan(7.0, "FAN1"), fan(8.0, "FAN77")])]) == {run.pk: 1}
    assert [query["sql"].split(" INTO ")[0] for query in queries] == [
        "BEGIN IMMEDIATE", "1 times: INSERT", "COMMIT",
    ]  # fmt: skip


def test_a_full_run_whose_last_curves_were_rolled_back_has_room_again(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "RUN_SERIES", bounds.Bound(2, "curves"))
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        for name in ("FAN1", "FAN2", "FAN3"):
            measurements.store([(run.pk, [fan(1.0, name)])])
        _ = 1 / 0
    assert measurements.store([(run.pk, [fan(1.0), fan(2.0, "FAN2")])]) == {}
    assert values(run) == [1.0, 2.0]


def test_the_newest_sample_before_a_batch_is_found_whatever_its_batch(run: Run) -> None:
    now = time.time()
    measurements.store([(run.pk, [fan(5.0, at=now - 30), fan(7.0, "FAN2", at=now - 50)])])
    measurements.store([(run.pk, [fan(4.0, at=now - 40)])])
    measurements.store([(run.pk, [fan(9.0, "FAN3", at=now - 1)])])
    firsts = [fan(1.0, at=now), fan(2.0, "FAN2", at=now - 50), fan(3.0, "FAN4", at=now)]
    (found,) = measurements.before(run.pk, firsts)
    assert (found.component, found.value, round(now - found.time)) == ("FAN1", 5.0, 30)
