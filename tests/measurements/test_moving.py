"""The migration that moves measurements from rows of their own into batches: on data, interrupted, on both engines."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from runs.measurements import reading
from runs.models import MeasurementBatch, Run, Series
from tests import rows
from tests.backups.conftest import own_postgresql, own_sqlite, own_system  # noqa: F401  fixtures

AT = ("runs", "0017_move_measurements")
BEGIN = datetime(2026, 11, 1, 12, tzinfo=UTC)
moving = import_module("runs.migrations.0017_move_measurements")


def fill(old: Any, count: int) -> Counter[tuple[Any, ...]]:
    """Rows of two runs in turn; of the second one after a silence of three months, and twice at one time."""
    runs = [rows.a_run(rows.a_host(f"node-{n}", f"52:54:00:00:00:0{n}")).pk for n in (1, 2)]
    made = [
        {
            "run_id": runs[n % 2],
            "at": BEGIN + timedelta(seconds=n - n % 6, microseconds=1999 * n, days=90 * (n % 2 and n > count / 2)),
            "component_kind": "cpu" if n % 3 else "fan",
            "component": f"PART{n % 5}",
            "name": "temp" if n % 3 else "fan",
            "value": n / 7,
            "unit": "C" if n % 3 else "rpm",
        }
        for n in range(count)
    ]
    old.objects.bulk_create([old(**one) for one in made], batch_size=500)
    return Counter(
        (one["run_id"], int(one["at"].timestamp()) * 1000 + one["at"].microsecond // 1000, *list(one.values())[2:])
        for one in made
    )


def stored() -> Counter[tuple[Any, ...]]:
    found = ((run, one) for run in Run.objects.values_list("pk", flat=True) for one in reading.every(run))
    return Counter(
        (run, one.at_ms, one.component_kind, one.component, one.name, one.value, one.unit) for run, one in found
    )


def all_is_moved_though_it_was_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "PIECE", 400)
    apps = MigrationExecutor(connection).loader.project_state(AT).apps
    old = apps.get_model("runs", "Measurement")
    with connection.schema_editor() as editor:
        editor.create_model(old)
    made, here = fill(old, 1500), SimpleNamespace(connection=connection)
    with monkeypatch.context() as patched, pytest.raises(ZeroDivisionError):
        patched.setattr(moving, "_row", fail_late(moving._row))
        moving.move(apps, here)
    assert old.objects.count() == 1100 and sum(stored().values()) == 400, "what was begun is undone"
    moving.move(apps, here)
    assert stored() == made and not old.objects.exists()
    assert Series.objects.count() == 2 * 10
    assert max(last - first for first, last in MeasurementBatch.objects.values_list("first_ms", "last_ms")) < 86_400_000


def fail_late(row: Any) -> Any:
    calls = iter(range(12))

    def failing(*args: Any) -> Any:
        return row(*args) if next(calls, None) is not None else 1 / 0

    return failing


def test_all_measurements_are_moved_on_sqlite(own_sqlite: None, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    all_is_moved_though_it_was_interrupted(monkeypatch)


@pytest.mark.slow
def test_all_measurements_are_moved_on_postgresql(
    own_postgresql: None,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    all_is_moved_though_it_was_interrupted(monkeypatch)
