"""Store measurements as they come, and find the newest one before a batch."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.db import connection

from agent.contract import wire
from runs.measurements import packing, series_ids
from runs.measurements.series_ids import Ids, Key
from runs.models import MeasurementBatch, Series

Batch = tuple[int, Sequence[wire.Measurement]]
# (key of the series, time in ms since 1970, value)
Sample = tuple[Key, int, float]

# Batches of some 15 minutes of a host. That is enough, since a slow sensor is read every minute.
LOOK_BACK = 200
# No sensor measures such a value. A larger one is stored as this one, so that no sum of a run's values overflows.
MOST = 1e290
_WEEK_S = 7 * 86400
_COLUMNS = ("run_id", "first_ms", "last_ms", "hottest", "samples")
INSERT = f"INSERT INTO {MeasurementBatch._meta.db_table} ({', '.join(_COLUMNS)}) VALUES (%s, %s, %s, %s, %s)"


def store(batches: Sequence[Batch]) -> dict[int, int]:
    """Returns how many measurements of which run were not kept, since they are of more curves than a run may have.

    Store the measurements of several runs with one statement, in the caller's transaction. On PostgreSQL the caller
    must have locked the rows of these runs (an update does): the batches of a run then get their ids in the order of
    their commits, on which the roll-up relies."""
    now_s = time.time()
    return keep([(run, [(_key(one), time_ms(one.time, now_s), one.value) for one in batch]) for run, batch in batches])


def keep(batches: Iterable[tuple[int, Sequence[Sample]]]) -> dict[int, int]:
    """Like `store`, with times that are taken as they are. Measurements of one series and one time are all kept."""
    batches = [(run, batch) for run, batch in batches if batch]
    wanted: dict[int, set[Key]] = {}
    for run, batch in batches:
        wanted.setdefault(run, set()).update(key for key, _, _ in batch)
    ids = series_ids.of(wanted) if batches else {}
    kept = [(run, [one for one in batch if one[0] in ids[run]]) for run, batch in batches]
    rows = [_row(run, batch, ids[run]) for run, batch in kept if batch]
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(INSERT, rows)
    left: dict[int, int] = {}
    for (run, sent), (_, batch) in zip(batches, kept, strict=True):
        if len(sent) > len(batch):
            left[run] = left.get(run, 0) + len(sent) - len(batch)
    return left


def before(run_id: int, firsts: Sequence[wire.Measurement]) -> list[wire.Measurement]:
    """The newest earlier sample of each of these sensors, if it is in the `LOOK_BACK` newest batches. The search is
    bounded because a sensor without an earlier sample would make it read every batch of the run."""
    if not firsts:
        return []
    now_s = time.time()
    mine = {_key(one): (time_ms(one.time, now_s), one) for one in firsts}
    until = {pk: mine[key] for key, pk in _ids(run_id, mine).items() if key in mine}
    newest = _newest(run_id, {pk: at for pk, (at, _) in until.items()})
    return [replace(until[pk][1], time=at / 1000, value=value) for pk, (at, value) in newest.items()]


def time_ms(seconds: float, now_s: float) -> int:
    """The agent's time. The orchestrator's if the two differ by more than a week (a board with an empty battery)."""
    return int((seconds if abs(now_s - seconds) < _WEEK_S else now_s) * 1000 + 0.001)


def _key(one: wire.Measurement) -> Key:
    return one.component[:128], one.name[:32], one.component_kind[:16], one.unit[:16]


def _row(run: int, batch: Sequence[Sample], ids: Ids) -> tuple[Any, ...]:
    times = [at for _, at, _ in batch]
    first = min(times)
    hottest = max((value for key, _, value in batch if key[1] == "temp"), default=None)
    samples = [(ids[key], at, max(-MOST, min(value, MOST))) for key, at, value in batch]
    return run, first, max(times), hottest, packing.pack(first, samples)


def _ids(run_id: int, keys: Iterable[Key]) -> dict[Key, int]:
    rows = Series.objects.filter(run_id=run_id, component__in={key[0] for key in keys})
    found = rows.values_list("pk", "component", "name", "component_kind", "unit")
    return {(component, name, kind, unit): pk for pk, component, name, kind, unit in found}


def _newest(run_id: int, until: Mapping[int, int]) -> dict[int, tuple[int, float]]:
    """Series → time and value of its newest sample before `until[series]`. Batches are read from the newest on."""
    found: dict[int, tuple[int, float]] = {}
    rows = MeasurementBatch.objects.filter(run_id=run_id).order_by("-last_ms")
    for first, last, packed in rows.values_list("first_ms", "last_ms", "samples")[:LOOK_BACK].iterator(chunk_size=10):
        if len(found) == len(until) and all(last <= at for at, _ in found.values()):
            break
        for series, after, value in zip(*packing.unpack(packed), strict=True):
            at = first + after
            if series in until and at < until[series] and (series not in found or at > found[series][0]):
                found[series] = at, value
    return found
