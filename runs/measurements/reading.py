"""Read measurements back: every sample, the values of curves in buckets, and the figures of a whole run.

A long stretch is read from the hours that are rolled up, and from the batches that are not rolled up yet. One statement
reads both, so that nothing counts twice, or not at all, if a roll-up happens at the same moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from django.db.models import BigIntegerField, BinaryField, FloatField, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Length

from runs.measurements import packing, rollup
from runs.measurements.packing import Packed, Summary
from runs.models import MeasurementBatch, Run, Series, SeriesHour

# A stretch of at most this length is read from the batches: 15 minutes have fewer batches than are usually not rolled
# up.
RAW_S = 900
MINUTE_S = 60
# How many series are read at once when all series of a run are counted.
PIECE = 5_000
# How many batches are read at once when all batches of a run are read: some 400 kB.
BATCHES = 500
# A time before every batch.
FAR_MS = 2**62
KEY = ("component_kind", "component", "name", "unit")
Key = tuple[str, ...]
_NONE, _ZERO = Value(0, BigIntegerField()), Value(0.0, FloatField())
_NO_BYTES = Value(b"", BinaryField())
_WHOLE_HOUR = tuple(range(60))
# Highest, total and count of one bucket of time.
Cell = list[float]
Curves = dict[int, dict[int, Cell]]


class Measured(NamedTuple):
    """One measurement."""

    at_ms: int
    component_kind: str
    component: str
    name: str
    value: float
    unit: str


class Figures(NamedTuple):
    """The figures of all measurements of a series."""

    number: float
    lowest: float
    highest: float
    total: float


def every(run_id: int) -> Iterator[Measured]:
    """Every measurement of a run, ordered by the time of the messages that brought them. Batches are read a few at a
    time: the caller may be slow, and an open statement would keep SQLite from shrinking its log."""
    series, after = dict[int, list[str]](), (-FAR_MS, 0)
    while piece := _batches_after(run_id, *after):
        for last, pk, first, packed in piece:
            samples, after = packing.unpack(packed), (last, pk)
            if not series.keys() >= set(samples.series):
                series = {pk: key for pk, *key in Series.objects.filter(run_id=run_id).values_list("pk", *KEY)}
            for number, after_ms, value in zip(*samples, strict=True):
                kind, component, name, unit = series[number]
                yield Measured(first + after_ms, kind, component, name, value, unit)


def _batches_after(run_id: int, last_ms: int, pk: int) -> list[tuple[int, int, int, Packed]]:
    """The next batches in the order of the index."""
    later = Q(last_ms__gt=last_ms) | Q(last_ms=last_ms, pk__gt=pk)
    rows = MeasurementBatch.objects.filter(later, run_id=run_id, last_ms__gte=last_ms).order_by("last_ms", "pk")
    return list(rows.values_list("last_ms", "pk", "first_ms", "samples")[:BATCHES])


def count(**batches_of: int) -> int:
    """How many measurements are kept, of all runs or of one (`run_id`)."""
    size = MeasurementBatch.objects.filter(**batches_of).aggregate(size=Sum(Length("samples")))["size"]
    return (size or 0) // packing.SAMPLE_BYTES


def has_series(run_id: int) -> bool:
    """Whether anything was measured during the run, kept or not."""
    return Series.objects.filter(run_id=run_id).exists()


def is_kept(run_id: int) -> bool:
    """Whether any batch of the run is there: the janitor may have removed them, and the hours remain."""
    return MeasurementBatch.objects.filter(run_id=run_id).exists()


def curves(run: Run, series: Iterable[int], start_s: int, end_s: int, step_s: int) -> Curves:
    """Series → bucket (time divided by `step_s`) → its values, from `start_s` to `end_s`. A short stretch, and one with
    buckets below a minute, is read from the batches if they are kept. Everything else is read from the hours."""
    found: Curves = {pk: {} for pk in series}
    if step_s % MINUTE_S or (end_s - start_s <= RAW_S and is_kept(run.pk)):
        raw = MeasurementBatch.objects.filter(run=run, last_ms__gte=start_s * 1000).order_by()
        for first, packed in raw.values_list("first_ms", "samples").iterator():
            _add_batch(found, first, packed, start_s * 1000, step_s * 1000)
        return found
    hours = SeriesHour.objects.filter(series__run=run, series__lte=max(found, default=0), hour__gte=start_s // 3600)
    batches = _not_rolled_up(run).filter(last_ms__gte=start_s * 1000).annotate(none=_NONE)
    rows = hours.values_list("series_id", "hour", "minutes").union(
        batches.values_list("none", "first_ms", "samples"), all=True
    )
    for pk, at, packed in rows.iterator():
        if not pk:
            _add_batch(found, at, packed, start_s * 1000, step_s * 1000)
        elif pk in found:
            _add_hour(found[pk], at * 3600, packed, start_s, step_s)
    return found


def figures(run: Run, most: int) -> tuple[list[tuple[Key, Figures]], int]:
    """The first `most` series of a run with their figures, and how many measurements all other series have."""
    series = {pk: key for pk, *key in Series.objects.filter(run=run).order_by("pk").values_list("pk", *KEY)[:most]}
    last = max(series, default=0)
    found: dict[int, dict[int, Summary]] = {pk: {} for pk in series}
    left_out = _count_after(run, last)
    for pk, summary in _summaries(run, last):
        if pk in found:
            rollup.take_in(found[pk], 0, summary)
        else:
            left_out += int(summary[0])
    rows = [(tuple(series[pk]), Figures(*one[0])) for pk, one in found.items() if one]
    return rows, left_out


def _summaries(run: Run, last: int) -> Iterator[tuple[int, Summary]]:
    """The summaries of each hour of the series up to `last`, and of each batch that is not rolled up, whatever its
    series."""
    numbers = ("count", "lowest", "highest", "total")
    hours = SeriesHour.objects.filter(series__run=run, series__lte=last).annotate(at=_NONE, packed=_NO_BYTES)
    batches = _not_rolled_up(run).annotate(none=_NONE, n=_NONE, x=_ZERO, y=_ZERO, z=_ZERO)
    rows = hours.values_list("series_id", *numbers, "at", "packed").union(
        batches.values_list("none", "n", "x", "y", "z", "first_ms", "samples"), all=True
    )
    for pk, *summary, at, packed in rows.iterator():
        if pk:
            yield pk, summary
        else:
            for (series, _), minutes in rollup.by_hour([(at, packed)]).items():
                yield from ((series, one) for one in minutes.values())


def _not_rolled_up(run: Run) -> QuerySet[MeasurementBatch]:
    mark = Run.objects.filter(pk=run.pk).order_by().values("rolled_up_to")
    return MeasurementBatch.objects.filter(run=run, pk__gt=Subquery(mark)).order_by()


def _count_after(run: Run, last: int) -> int:
    """Count the rolled-up measurements of series with higher ids, some series at a time: a host may have invented
    millions of names."""
    found, ids = 0, Series.objects.filter(run=run).order_by("pk").values_list("pk", flat=True)
    while piece := list(ids.filter(pk__gt=last)[:PIECE]):
        hours = SeriesHour.objects.filter(series__run=run, series__gte=piece[0], series__lte=piece[-1])
        found, last = found + (hours.aggregate(n=Sum("count"))["n"] or 0), piece[-1]
    return found


def _add_batch(found: Curves, first_ms: int, packed: Packed, start_ms: int, step_ms: int) -> None:
    for pk, after_ms, value in zip(*packing.unpack(packed), strict=True):
        at_ms, line = first_ms + after_ms, found.get(pk)
        if line is not None and at_ms >= start_ms:
            _take_in(line, at_ms // step_ms, value, value, 1)


def _add_hour(line: dict[int, Cell], hour_s: int, packed: Packed, start_s: int, step_s: int) -> None:
    of = packing.unpack_minutes(packed)
    if of.numbers == _WHOLE_HOUR and hour_s >= start_s and 3600 % step_s == 0:
        _add_whole_hour(line, hour_s // step_s, of, step_s // MINUTE_S)
        return
    for minute, count, highest, total in zip(of.numbers, of.counts, of.highs, of.totals, strict=True):
        at_s = hour_s + minute * MINUTE_S
        if at_s >= start_s:
            _take_in(line, at_s // step_s, highest, total, count)


def _add_whole_hour(line: dict[int, Cell], first: int, of: packing.Minutes, size: int) -> None:
    """Add a whole hour in buckets of `size` minutes. Adding slices takes half as long as adding single minutes."""
    ends = range(size, 61, size)
    highs = [max(of.highs[end - size : end]) for end in ends]
    totals = [sum(of.totals[end - size : end]) for end in ends]
    counts = [sum(of.counts[end - size : end]) for end in ends]
    for bucket, (highest, total, count) in enumerate(zip(highs, totals, counts, strict=True), first):
        _take_in(line, bucket, highest, total, count)


def _take_in(line: dict[int, Cell], bucket: int, highest: float, total: float, count: int) -> None:
    cell = line.get(bucket)
    if cell is None:
        line[bucket] = [highest, total, count]
    else:
        if highest > cell[0]:
            cell[0] = highest
        cell[1] += total
        cell[2] += count
