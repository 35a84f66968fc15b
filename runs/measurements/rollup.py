"""Roll up the measurements of a run by series, hour and minute. The batches stay as they are.

`Run.rolled_up_to` is the newest batch that is rolled up. It moves in the same transaction, and a batch whose
measurements came late is added to the hours that they belong to: so each counts once, in whatever order they come.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from runs.database import transactions
from runs.measurements import packing
from runs.measurements.packing import Packed, Summary
from runs.models import MeasurementBatch, Run, Series, SeriesHour

log = logging.getLogger("vetting.measurements")
# How many batches are rolled up at once: some 25 minutes of a host, in a transaction of a few milliseconds.
PIECE = 300
_MINUTE_MS = 60_000
# (series, hour) → minute → its summary.
Hours = dict[tuple[int, int], dict[int, Summary]]


def roll_up(run_id: int) -> bool:
    """Roll up the next `PIECE` batches of this run. Returns whether there may be more.

    1. Read up to where it is rolled up, and the batches after that. 2. In one transaction, move the mark, if it is
    still where it was, and add to the hours. Two workers may do step 1 at once; one of them gets through step 2.
    """
    mark = Run.objects.filter(pk=run_id).values_list("rolled_up_to", flat=True).first()
    if mark is None:
        return False
    rows = MeasurementBatch.objects.filter(run_id=run_id, pk__gt=mark).order_by("pk")
    batches = list(rows.values_list("pk", "first_ms", "samples")[:PIECE])
    if not batches:
        return False
    fresh = _known_only(run_id, by_hour((first, packed) for _, first, packed in batches))
    with transactions.short(f"rolling up measurements of run {run_id}"):
        if Run.objects.filter(pk=run_id, rolled_up_to=mark).update(rolled_up_to=batches[-1][0]):
            _add(fresh)
    return len(batches) == PIECE


def by_hour(batches: Iterable[tuple[int, Packed]]) -> Hours:
    """The summaries of batches, each given as its first time and its samples."""
    found: Hours = {}
    for (series, minute), summary in _by_minute(batches).items():
        found.setdefault((series, minute // 60), {})[minute % 60] = summary
    return found


def _by_minute(batches: Iterable[tuple[int, Packed]]) -> dict[tuple[int, int], Summary]:
    """Written without a function call for each measurement, since every measurement goes through this loop."""
    found: dict[tuple[int, int], Summary] = {}
    for first, packed in batches:
        for series, after, value in zip(*packing.unpack(packed), strict=True):
            key = series, (first + after) // _MINUTE_MS
            known = found.get(key)
            if known is None:
                found[key] = [1, value, value, value]
                continue
            known[0] += 1
            known[3] += value
            if value < known[1]:
                known[1] = value
            elif value > known[2]:
                known[2] = value
    return found


def take_in(minutes: dict[int, Summary], minute: int, more: Summary) -> None:
    known = minutes.get(minute)
    if known is None:
        minutes[minute] = more
    else:
        known[:] = known[0] + more[0], min(known[1], more[1]), max(known[2], more[2]), known[3] + more[3]


def _known_only(run_id: int, fresh: Hours) -> Hours:
    """Leave out series that do not belong to this run. Only a bug of ours could make them, and it must not stop the
    other series."""
    known = set(Series.objects.filter(run_id=run_id, pk__in={key[0] for key in fresh}).values_list("pk", flat=True))
    if strange := {key[0] for key in fresh} - known:
        log.error("run %s has measurements of series that it does not have, such as %s", run_id, min(strange))
    return {key: minutes for key, minutes in fresh.items() if key[0] in known}


def _add(fresh: Hours) -> None:
    """Add to the existing rows, and create the missing ones."""
    stored = SeriesHour.objects.filter(
        series_id__in={key[0] for key in fresh}, hour__in={key[1] for key in fresh}
    ).values_list("series_id", "hour", "minutes")
    for series, hour, packed in stored:
        if minutes := fresh.get((series, hour)):
            for minute, *summary in zip(*packing.unpack_minutes(packed), strict=True):
                take_in(minutes, minute, summary)
    SeriesHour.objects.bulk_create(
        (_row(*key, minutes) for key, minutes in fresh.items()),
        update_conflicts=True,
        unique_fields=["series", "hour"],
        update_fields=["count", "lowest", "highest", "total", "minutes"],
    )


def _row(series: int, hour: int, minutes: dict[int, Summary]) -> SeriesHour:
    counts, lows, highs, totals = zip(*minutes.values(), strict=True)
    return SeriesHour(
        series_id=series,
        hour=hour,
        count=int(sum(counts)),
        lowest=min(lows),
        highest=max(highs),
        total=sum(totals),
        minutes=packing.pack_minutes(minutes),
    )
