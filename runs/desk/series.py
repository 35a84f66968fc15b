"""Measurements for the charts: at most some 600 points per line, however long the run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.db.models import Max
from django.utils import timezone

from agent.contract.component_kinds import ComponentKind
from hosts import parts
from runs.judging import sensor_limits
from runs.measurements import reading
from runs.models import MeasurementBatch, Run, Series, StageRun
from runs.querysets import STAGE_DOCUMENTS
from runs.wording import naming, units

POINTS = 600
MAX_LINES = 12
# More curves than any host has: a host that invents names must not fill the memory of the web process.
MAX_CHARTS, MAX_NEW_LINES, MAX_SERIES = 40, 500, 500
WINDOWS_S = (900, 3600, 21_600)
_NBSP = "\u00a0"
_TITLES = {"fan": "Fans", "power": "Power", "throughput_in": "Received", "throughput_out": "Sent", "clock": "Clock"}
_ORDER = ("temp", "fan", "power", "throughput_in", "throughput_out", "clock")
_STEPS_S = (2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)


@dataclass(frozen=True)
class Window:
    """The time shown, in seconds since the epoch, in buckets of `step_s`. The page already has everything before
    `since`."""

    start: int
    end: int
    step_s: int
    since: int = 0

    @property
    def first(self) -> int:
        """Where reading begins: at the start of a bucket, since a bucket that was not complete is sent again."""
        return max(self.start, self.since - self.since % self.step_s)


@dataclass(frozen=True)
class Chart:
    """`kind` is the kind of component if each kind has its own chart, else empty."""

    name: str
    unit: str
    kind: str

    @property
    def title(self) -> str:
        if self.kind:
            return f"{parts.title(self.kind)} temperature"
        return _TITLES.get(self.name, self.name.replace("_", " ").capitalize())


@dataclass
class Lines:
    """What one chart shows: component → bucket → value, and the kinds of these components."""

    values: dict[str, dict[int, float]] = field(default_factory=dict)
    kinds: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Known:
    """What the page already has: everything recorded up to the batch `last_id` and up to the time `since`."""

    since: int
    last_id: int


def series(run: Run, window_s: int | None = None, known: Known | None = None) -> dict[str, Any]:
    """`{step_s, start, end, last_id, whole, stages: [{title, at}], charts: [{key, name, title, unit, hidden, times,
    limits, lines}]}`; a limit is `{words, value, severity}`, a line `{component, values}`.

    Temperatures are the maximum of each bucket, since short peaks matter; other values are means. Each kind of part has
    its own temperature chart, since each has its own limit. `values` has null if a component has no value. Only the
    `MAX_LINES` components with the highest peaks are included, and `hidden` counts the others; of what came after
    `known`, all are included. If measurements came late, from before `known`, everything is sent again (`whole`): an
    agent that was cut off delivers what it kept.
    """
    last_id = MeasurementBatch.objects.aggregate(last=Max("id"))["last"] or 0
    if known and _came_late(run, known):
        known = None
    begun = run.stage_runs.filter(counts=True).exclude(go_at=None).defer(*STAGE_DOCUMENTS)
    stages = list(begun.order_by("go_at"))
    window = _window(run, stages, window_s, known.since if known else 0)
    bounds = sensor_limits.of(run.frozen.sensors)
    grouped = _grouped(run, window)
    charts = [_chart(chart, grouped[chart], window, bounds) for chart in sorted(grouped, key=_place)[:MAX_CHARTS]]
    return {
        "step_s": window.step_s,
        "start": window.start,
        "end": window.end,
        "last_id": last_id,
        "whole": known is None,
        "stages": _boundaries(stages, window),
        "charts": charts,
    }


def _came_late(run: Run, known: Known) -> bool:
    """Whether a batch since `last_id` has a measurement older than `since`."""
    news = MeasurementBatch.objects.filter(run=run, pk__gt=known.last_id)
    return news.filter(first_ms__lt=known.since * 1000).exists()


def _place(chart: Chart) -> tuple[int, bool, str]:
    """The order of the charts: temperatures first, and of these the processors'."""
    place = _ORDER.index(chart.name) if chart.name in _ORDER else len(_ORDER)
    return place, chart.kind != ComponentKind.CPU, chart.title


def _window(run: Run, stages: list[StageRun], window_s: int | None, since: int) -> Window:
    """The window starts with the first stage: nothing is measured while the host boots."""
    began = stages[0].go_at if stages else None
    first = int((began or run.started_at or run.created_at).timestamp())
    last = int((run.ended_at or timezone.now()).timestamp()) + 1
    start = max(first, last - window_s) if window_s else first
    least = reading.MINUTE_S if run.ended_at and not reading.is_kept(run.pk) else _STEPS_S[0]
    step = next((step for step in _STEPS_S if step >= least and (last - start) / step <= POINTS), _STEPS_S[-1])
    return Window(start - start % step, last, step, since)


def _grouped(run: Run, window: Window) -> dict[Chart, Lines]:
    series = {row.pk: row for row in Series.objects.filter(run=run).order_by("pk")[:MAX_SERIES]}
    curves = reading.curves(run, series, window.first, window.end, window.step_s)
    grouped: dict[Chart, Lines] = {}
    for pk, curve in curves.items():
        if curve:
            one = series[pk]
            chart = Chart(one.name, one.unit, one.component_kind if one.name == "temp" else "")
            lines = grouped.setdefault(chart, Lines())
            lines.kinds.add(one.component_kind)
            lines.values.setdefault(one.component, {}).update(_values(one.name, curve))
    return grouped


def _values(name: str, curve: dict[int, reading.Cell]) -> dict[int, float]:
    if name == "temp":
        return {bucket: highest for bucket, (highest, _, _) in curve.items()}
    return {bucket: total / count for bucket, (_, total, count) in curve.items()}


def _chart(chart: Chart, lines: Lines, window: Window, bounds: list[sensor_limits.Limit]) -> dict[str, Any]:
    buckets = sorted(set().union(*lines.values.values()))
    shown = sorted(sorted(lines.values), key=lambda component: -max(lines.values[component].values()))
    shown = shown[: MAX_NEW_LINES if window.since else MAX_LINES]
    return {
        "key": f"{chart.name} {chart.kind} {chart.unit}",
        "name": chart.name,
        "title": chart.title,
        "unit": units.written(chart.unit),
        "hidden": len(lines.values) - len(shown),
        "times": [bucket * window.step_s for bucket in buckets],
        "limits": _limits(chart, lines.kinds, bounds),
        "lines": [
            {"component": component, "values": _rounded(lines.values[component], buckets)}
            for component in sorted(shown)
        ],
    }


def _rounded(line: dict[int, float], buckets: list[int]) -> list[float | None]:
    return [None if (value := line.get(bucket)) is None else round(value, 2) for bucket in buckets]


def _limits(chart: Chart, kinds: set[str], bounds: list[sensor_limits.Limit]) -> list[dict[str, Any]]:
    """The profile's limits for what this chart shows."""
    return [
        {
            "words": f"{parts.title(limit.kind)} at {'most' if limit.side == 'max' else 'least'} "
            f"{limit.bound:,.6g} {units.written(limit.unit)}".replace(",", _NBSP),
            "value": limit.bound,
            "severity": str(limit.severity),
        }
        for limit in bounds
        if limit.measure == chart.name and limit.kind in kinds and limit.unit.lower() == chart.unit.lower()
    ]


def _boundaries(stages: list[StageRun], window: Window) -> list[dict[str, Any]]:
    """When stages began, for the lines in the charts. The stage that was running at the start of the window is placed
    there."""
    marks: list[dict[str, Any]] = [
        {"title": _title(row.name, row.attempt), "at": row.go_at.timestamp()} for row in stages if row.go_at
    ]
    before = [mark | {"at": window.start} for mark in marks if mark["at"] < window.start]
    return before[-1:] + [mark for mark in marks if mark["at"] >= window.start]


def _title(name: str, attempt: int) -> str:
    title = naming.state_in_words(name)
    return f"{title} ({attempt})" if attempt > 1 else title
