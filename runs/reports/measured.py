"""Summarise a run's measurements: minimum, maximum, mean and count of each curve."""

from __future__ import annotations

from typing import Any

from runs.measurements import reading
from runs.measurements.reading import Figures, Key
from runs.models import Run

CURVES_KEPT = 5_000


def figures(run: Run) -> tuple[list[dict[str, Any]], int]:
    """The summaries, temperatures first, and how many measurements belong to curves that were left out."""
    found, left_out = reading.figures(run, CURVES_KEPT)
    rows = [_row(*one) for one in sorted(found)]
    return sorted(rows, key=lambda row: (row["name"] != "temp", row["name"], row["component"])), left_out


def _row(key: Key, of: Figures) -> dict[str, Any]:
    figures = {"lowest": of.lowest, "highest": of.highest, "mean": of.total / of.number, "count": int(of.number)}
    return dict(zip(reading.KEY, key, strict=True)) | figures
