"""Measurements as a long run leaves them, made in seconds."""

from __future__ import annotations

import time
from collections.abc import Iterator

CURVES, HOURS = 30, 40
# As an agent sends them.
BATCH = 50
# Batches in one transaction.
PIECE = 5_000


def fill(run_id: int, count: int, curves: int = CURVES, hours: float = HOURS) -> None:
    """So many measurements of a run, up to now, two thirds of them temperatures, rolled up as the worker does it."""
    from django.db import connection, transaction

    from runs.measurements import rollup, series_ids, storing

    keys = [
        (f"PART{n}", *(("temp", "cpu", "C") if n % 3 else ("fan", "fan", "rpm"))) for n in range(min(curves, count))
    ]
    with transaction.atomic():
        of_run = series_ids.of({run_id: keys})[run_id]
    rows = _batches(run_id, [of_run[key] for key in keys], count, hours)
    while piece := [row for _, row in zip(range(PIECE), rows, strict=False)]:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.executemany(storing.INSERT, piece)
    while rollup.roll_up(run_id):
        pass


def _batches(run_id: int, series: list[int], count: int, hours: float) -> Iterator[tuple[object, ...]]:
    from runs.measurements import packing

    end_ms, every_ms = int(time.time() * 1000), hours * 3_600_000 * len(series) / count
    for first in range(0, count, len(series)):
        at = end_ms - int((count - first) / len(series) * every_ms)
        values = [(pk, at, 40.0 + (first + pk) % 37) for pk in series[: count - first]]
        for start in range(0, len(values), BATCH):
            yield run_id, at, at, 77.0, packing.pack(at, values[start : start + BATCH])


def copy(run_id: int, other: int) -> None:
    """The same for another run. Its batches name the series of the first, so only their number and size are real."""
    from django.db import connection

    with connection.cursor() as cursor:
        for statement in _COPY:
            cursor.execute(statement, {"run": run_id, "other": other})


_KEY = "component_kind, component, name, unit"
_FIGURES = "hour, count, lowest, highest, total, minutes"
_SAME = " AND ".join(f"a.{column} = b.{column}" for column in _KEY.split(", "))
_COPY = (
    f"INSERT INTO runs_series (run_id, {_KEY}) SELECT %(other)s, {_KEY} FROM runs_series WHERE run_id = %(run)s",
    "INSERT INTO runs_measurementbatch (run_id, first_ms, last_ms, hottest, samples)"
    " SELECT %(other)s, first_ms, last_ms, hottest, samples FROM runs_measurementbatch WHERE run_id = %(run)s",
    f"INSERT INTO runs_serieshour (series_id, {_FIGURES}) SELECT b.id, {_FIGURES} FROM runs_serieshour"
    f" JOIN runs_series a ON a.id = series_id JOIN runs_series b ON b.run_id = %(other)s AND {_SAME}"
    " WHERE a.run_id = %(run)s",
    "UPDATE runs_run SET rolled_up_to = (SELECT MAX(id) FROM runs_measurementbatch WHERE run_id = %(other)s)"
    " WHERE id = %(other)s",
)
