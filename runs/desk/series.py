"""Measurements for the charts: at most some 600 points per line, however long the run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Avg, F, FloatField, Func, IntegerField, Max, Min
from django.db.models.functions import Cast, Floor
from django.utils import timezone

from hosts import parts
from runs.judging import sensor_limits
from runs.models import Measurement, Run, StageRun
from runs.querysets import STAGE_DOCUMENTS
from runs.wording import naming, units

POINTS = 600
MAX_LINES = 12
# More curves than any host has: a host that invents names must not fill the memory of the web process.
MAX_CHARTS, MAX_NEW_LINES, MAX_POINTS = 40, 500, 300_000
WINDOWS_S = (900, 3600, 21_600)
_NBSP = "\u00a0"
_TITLES = {"fan": "Fans", "power": "Power", "throughput_in": "Received", "throughput_out": "Sent", "clock": "Clock"}
_ORDER = ("temp", "fan", "power", "throughput_in", "throughput_out", "clock")
_STEPS_S = (2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)


class Epoch(Func):
    """Seconds since 1970 of a timestamp column."""

    output_field = FloatField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, Any]:
        return self.as_sql(
            compiler, connection, template="((julianday(%(expressions)s) - 2440587.5) * 86400.0)", **context
        )

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, Any]:
        return self.as_sql(compiler, connection, template="EXTRACT(EPOCH FROM %(expressions)s)", **context)


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
class Series:
    """One chart. `kind` is the kind of component if each kind has its own chart, else empty."""

    name: str
    unit: str
    kind: str

    @property
    def title(self) -> str:
        if self.kind:
            return f"{parts.title(self.kind)} temperature"
        return _TITLES.get(self.name, self.name.replace("_", " ").capitalize())


@dataclass(frozen=True)
class Known:
    """What the page already has: everything recorded up to the row `last_id` and up to the time `since`."""

    since: int
    last_id: int


def series(run: Run, window_s: int | None = None, known: Known | None = None) -> dict[str, Any]:
    """`{step_s, start, end, last_id, whole, stages: [{title, at}], charts: [{key, name, title, unit, hidden, times,
    limits, lines}]}`; a limit is `{words, value, severity}`, a line `{component, values}`.

    Temperatures are the maximum of each bucket, since short peaks matter; other values are means. Each kind of part has
    its own temperature chart, since each has its own limit. `values` has null if a component has no value. Only the
    `MAX_LINES` components with the highest peaks are included, and `hidden` counts the others; of the rows after
    `known`, all are included. If rows came late, from before `known`, everything is sent again (`whole`): an agent that
    was cut off delivers what it kept.
    """
    last_id = Measurement.objects.aggregate(last=Max("id"))["last"] or 0
    if known and _came_late(run, known):
        known = None
    begun = run.stage_runs.filter(counts=True).exclude(go_at=None).defer(*STAGE_DOCUMENTS)
    stages = list(begun.order_by("go_at"))
    window = _window(run, stages, window_s, known.since if known else 0)
    bounds = sensor_limits.of(run.profile.get("sensors") or {})
    grouped = _grouped(run, window)
    charts = [_chart(series, grouped[series], window, bounds) for series in sorted(grouped, key=_place)[:MAX_CHARTS]]
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
    """Whether a row since `last_id` is older than `since`. These rows are few; an index by run would have millions."""
    before = datetime.fromtimestamp(known.since, timezone.get_current_timezone())
    news = Measurement.objects.filter(pk__gt=known.last_id).annotate(of=F("run_id") + 0)
    return news.filter(of=run.pk, at__lt=before).exists()


def _place(series: Series) -> tuple[int, bool, str]:
    """The order of the charts: temperatures first, and of these the processors'."""
    place = _ORDER.index(series.name) if series.name in _ORDER else len(_ORDER)
    return place, series.kind != "cpu", series.title


def _window(run: Run, stages: list[StageRun], window_s: int | None, since: int) -> Window:
    """The window starts with the first stage: nothing is measured while the host boots."""
    began = stages[0].go_at if stages else None
    first = int((began or run.started_at or run.created_at).timestamp())
    last = int((run.ended_at or timezone.now()).timestamp()) + 1
    start = max(first, last - window_s) if window_s else first
    step = next((step for step in _STEPS_S if (last - start) / step <= POINTS), _STEPS_S[-1])
    return Window(start - start % step, last, step, since)


def _grouped(run: Run, window: Window) -> dict[Series, list[dict[str, Any]]]:
    since = datetime.fromtimestamp(window.first, timezone.get_current_timezone())
    bucket = Cast(Floor(Cast(Epoch(F("at")), FloatField()) / window.step_s), IntegerField())
    # The bucket first: sorting for the groups then takes two thirds of the time (600,000 rows, SQLite).
    rows = (
        Measurement.objects.filter(run=run, name__in=_names(run), at__gte=since)
        .order_by()
        .annotate(bucket=bucket)
        .values("bucket", "name", "component", "component_kind")
        .annotate(unit=Min("unit"), mean=Avg("value"), peak=Max("value"))[:MAX_POINTS]
    )
    grouped: dict[Series, list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: (row["bucket"], row["component"])):
        kind = row["component_kind"] if row["name"] == "temp" else ""
        grouped.setdefault(Series(row["name"], row["unit"], kind), []).append({**row})
    return grouped


def _names(run: Run) -> list[str]:
    """The names that were measured. This takes one index look-up per name; DISTINCT would read millions of entries.
    With the names, a period is one index range per name."""
    names: list[str] = []
    while len(names) < MAX_CHARTS:
        later = Measurement.objects.filter(run=run, name__gt=names[-1] if names else "").order_by("name")
        name = later.values_list("name", flat=True).first()
        if name is None:
            break
        names.append(name)
    return names


def _chart(
    series: Series, rows: list[dict[str, Any]], window: Window, bounds: list[sensor_limits.Limit]
) -> dict[str, Any]:
    buckets = sorted({row["bucket"] for row in rows})
    position = {bucket: index for index, bucket in enumerate(buckets)}
    values: dict[str, list[float | None]] = {}
    for row in rows:
        line = values.setdefault(row["component"], [None] * len(buckets))
        line[position[row["bucket"]]] = round(row["peak"] if series.name == "temp" else row["mean"], 2)
    shown = sorted(values, key=lambda component: -max(v for v in values[component] if v is not None))
    shown = shown[: MAX_NEW_LINES if window.since else MAX_LINES]
    return {
        "key": f"{series.name} {series.kind} {series.unit}",
        "name": series.name,
        "title": series.title,
        "unit": units.written(series.unit),
        "hidden": len(values) - len(shown),
        "times": [bucket * window.step_s for bucket in buckets],
        "limits": _limits(series, {row["component_kind"] for row in rows}, bounds),
        "lines": [{"component": component, "values": values[component]} for component in sorted(shown)],
    }


def _limits(series: Series, kinds: set[str], bounds: list[sensor_limits.Limit]) -> list[dict[str, Any]]:
    """The profile's limits for what this chart shows."""
    return [
        {
            "words": f"{parts.title(limit.kind)} at {'most' if limit.side == 'max' else 'least'} "
            f"{limit.bound:,.6g} {units.written(limit.unit)}".replace(",", _NBSP),
            "value": limit.bound,
            "severity": str(limit.severity),
        }
        for limit in bounds
        if limit.measure == series.name and limit.kind in kinds and limit.unit.lower() == series.unit.lower()
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
