"""Summarise a run's measurements: minimum, maximum, mean and count of each curve.

A run of 40 hours has two million rows. One query would sort them all, in seconds and hundreds of megabytes, so it is
done by pieces of the ids: each piece is a short query, and what is kept between them is a line for each curve.
"""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Max, Min, Sum

from runs.models import Run

PIECE = 50_000
KEYS = ("component_kind", "component", "name", "unit")
CURVES_KEPT = 5_000


def figures(run: Run) -> tuple[list[dict[str, Any]], int]:
    """The summaries, temperatures first, and how many measurements belong to curves that were left out."""
    found: dict[tuple[Any, ...], list[Any]] = {}
    left_out, after = 0, 0
    while True:
        until = _end_of_piece(run, after)
        for *key, lowest, highest, total, count in _piece(run, after, until):
            known = found.get(tuple(key))
            if known is not None:
                known[:] = min(known[0], lowest), max(known[1], highest), known[2] + total, known[3] + count
            elif len(found) < CURVES_KEPT:
                found[tuple(key)] = [lowest, highest, total, count]
            else:
                left_out += count
        if until is None:
            rows = map(_row, found.items())
            return sorted(rows, key=lambda row: (row["name"] != "temp", row["name"], row["component"])), left_out
        after = until


def _end_of_piece(run: Run, after: int) -> int | None:
    """The last id of the piece after this id; None if it is the last piece."""
    ids = run.measurements.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)
    return next(iter(ids[PIECE - 1 : PIECE]), None)


def _piece(run: Run, after: int, until: int | None) -> Any:
    rows = run.measurements.filter(pk__gt=after).order_by()
    rows = rows if until is None else rows.filter(pk__lte=until)
    figures = {"lowest": Min("value"), "highest": Max("value"), "total": Sum("value"), "count": Count("id")}
    return rows.values(*KEYS).annotate(**figures).values_list(*KEYS, *figures)


def _row(one: tuple[tuple[Any, ...], list[Any]]) -> dict[str, Any]:
    key, (lowest, highest, total, count) = one
    figures = {"lowest": lowest, "highest": highest, "mean": total / count, "count": count}
    return dict(zip(KEYS, key, strict=True)) | figures
