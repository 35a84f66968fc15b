"""Moves each measurement from its row into a batch of its run: in pieces, each in a transaction that also removes the
rows it has moved. So a migration that was interrupted goes on where it was, and none is lost or there twice.

Times were kept to the microsecond, and are to the millisecond. The worker rolls the batches up later.
"""

import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from django.db import migrations, transaction

PIECE, BATCH = 20_000, 50
_DAY_MS = 86_400_000
_EPOCH = datetime(1970, 1, 1)
_RUNS_KNOWN = 200
_SELECT = "SELECT id, run_id, at, component_kind, component, name, value, unit FROM runs_measurement ORDER BY id LIMIT %s"
_INSERT = "INSERT INTO runs_measurementbatch (run_id, first_ms, last_ms, hottest, samples) VALUES (%s, %s, %s, %s, %s)"
Key = tuple[str, str, str, str]
Sample = tuple[int, int, float, str]


def move(apps: Any, schema_editor: Any) -> None:
    connection = schema_editor.connection
    series = Series(apps.get_model("runs", "Series").objects.using(connection.alias))
    while move_piece(connection, series):
        pass


def move_piece(connection: Any, series: "Series") -> bool:
    """Move the oldest rows. False if there were none."""
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute(_SELECT, [PIECE])
        rows = cursor.fetchall()
        if not rows:
            return False
        by_run: dict[int, list[Sample]] = {}
        for _, run, at, kind, component, name, value, unit in rows:
            pk = series.id_of(run, (component, name, kind, unit))
            by_run.setdefault(run, []).append((pk, _ms(at), value, name))
        cursor.executemany(_INSERT, [_row(run, one) for run, samples in by_run.items() for one in _batches(samples)])
        cursor.execute("DELETE FROM runs_measurement WHERE id <= %s", [rows[-1][0]])
    return True


class Series:
    """Finds and makes series; knows those of the runs that it met last."""

    def __init__(self, rows: Any) -> None:
        self._rows = rows
        self._known: dict[int, dict[Key, int]] = {}

    def id_of(self, run: int, key: Key) -> int:
        known = self._known.get(run)
        if known is None:
            known = self._known[run] = self._of_run(run)
        if key not in known:
            component, name, kind, unit = key
            made = self._rows.create(run_id=run, component=component, name=name, component_kind=kind, unit=unit)
            known[key] = made.pk
        return known[key]

    def _of_run(self, run: int) -> dict[Key, int]:
        if len(self._known) >= _RUNS_KNOWN:
            del self._known[next(iter(self._known))]
        rows = self._rows.filter(run_id=run).values_list("pk", "component", "name", "component_kind", "unit")
        return {(component, name, kind, unit): pk for pk, component, name, kind, unit in rows}


def _batches(samples: list[Sample]) -> Iterator[list[Sample]]:
    batch: list[Sample] = []
    for sample in samples:
        if batch and (len(batch) == BATCH or abs(sample[1] - batch[0][1]) > _DAY_MS):
            yield batch
            batch = []
        batch.append(sample)
    yield batch


def _row(run: int, batch: list[Sample]) -> tuple[object, ...]:
    """As runs/measurements/packing.py packs them: the series, times after the first, and values."""
    series, times, values, _ = zip(*batch, strict=True)
    first, n = min(times), len(batch)
    hottest = max((value for _, _, value, name in batch if name == "temp"), default=None)
    packed = struct.pack(f"<{n}I{n}I{n}d", *series, *(at - first for at in times), *values)
    return run, first, max(times), hottest, packed


def _ms(at: datetime) -> int:
    """SQLite gives the time without a zone, in UTC."""
    since = (at.astimezone(UTC).replace(tzinfo=None) if at.tzinfo else at) - _EPOCH
    return since.days * _DAY_MS + since.seconds * 1000 + since.microseconds // 1000


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("runs", "0016_measurement_batches")]
    operations = [migrations.RunPython(move)]
