"""Whether the bench is fit to measure now, and whether it was in the past.

The worker's round takes a sample of the load every second and keeps the newest in the machine's memory. A time in
which the bench was short of something is a row of BenchShortage, so that web and worker can read it later. A question
about now takes a sample of its own: a worker that is short of CPU takes few.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from runs.bench import load as benchload
from runs.bench import problems as bench
from runs.bench.load import Limits, Sample, Shortage
from runs.bench.problems import Problem
from runs.files import atomic, volatile
from runs.models import BenchShortage

SOURCE = "load"
_KEPT_S = 90.0
# A shortage ends if it was not seen for this long: a worker that is short of CPU does not look every second.
_GOES_ON = timedelta(seconds=8)
_FORGOTTEN = timedelta(days=90)
_OF_PORT = BenchShortage.PORT, BenchShortage.LINK
Span = tuple[datetime, datetime]


def tick() -> None:
    """Take a sample of the load, and record a shortage that it shows together with the last ones."""
    samples = _keep(benchload.read())
    since = datetime.fromtimestamp(samples[0].at, UTC)
    found = benchload.shortage(samples, limits())
    if found:
        note(BenchShortage.CPU, found, since)
    elif busy := benchload.shortage(samples, busy_limits()):
        note(BenchShortage.BUSY, busy, since)
    bench.report(SOURCE, [short_of_cpu()] if found else [])


def short_of_cpu() -> Problem:
    """The problem for the pages. Without figures, which change every second; the rows have them."""
    return Problem(
        "bench",
        "This bench is short of CPU: Network waits, and measurements meanwhile fail no host",
        "stop other programs on it, give it more cores or a larger share, or lower dispatcher.max_concurrent",
    )


def limits() -> Limits:
    config = settings.VETTING.bench
    fast = settings.VETTING.iperf3.link_mbit > 1000
    return Limits(
        pressure_percent=config.cpu_pressure_max_percent,
        waiting_per_core=config.waiting_per_core_max_above_1g if fast else config.waiting_per_core_max,
        steal_percent=config.steal_max_percent,
        throttled_percent=config.throttled_max_percent,
    )


def busy_limits() -> Limits:
    """The lower limits, above which a slow port is measured again before it is blamed. The limit for the pressure is
    not lowered, since pressure alone shows no shortage."""
    strict, share = limits(), settings.VETTING.bench.busy_from_percent / 100
    return Limits(
        pressure_percent=strict.pressure_percent,
        waiting_per_core=strict.waiting_per_core * share,
        steal_percent=strict.steal_percent * share,
        throttled_percent=strict.throttled_percent * share,
    )


def note(kind: str, found: Shortage, since: datetime, site: str = "") -> None:
    """Record that the bench is short of something since this time. One row covers the whole shortage."""
    now = timezone.now()
    recent = BenchShortage.objects.filter(kind=kind, site=site, ended_at__range=_recently(now))
    if (row := recent.order_by("-ended_at").first()) is None:
        BenchShortage.objects.filter(ended_at__lt=now - _FORGOTTEN).delete()
        row = BenchShortage(kind=kind, site=site, started_at=since, why=found.why, weight=found.weight)
    if found.weight > row.weight:
        row.why, row.weight = found.why, found.weight
    row.ended_at = now
    row.save()


def starved_now() -> str:
    """What the bench is short of now, in words; empty if nothing."""
    found = _shortage_now(limits())
    return f"short of CPU: {found.why}" if found else ""


def busy_now() -> str:
    """Why a slow port should be measured again later, in words; empty if the bench is not busy."""
    found = _shortage_now(busy_limits())
    return f"busy: {found.why}" if found else ""


def _recently(now: datetime) -> tuple[datetime, datetime]:
    """When a shortage that goes on was seen last. A row of a later time was written before the clock was set back."""
    return now - _GOES_ON, now + _GOES_ON


def poor_port_now() -> str:
    """Why the bench's own port is slower than it should be, in words; empty if it is not."""
    rows = BenchShortage.objects.filter(kind__in=_OF_PORT, site__in=("", settings.VETTING.web.address))
    recent = rows.filter(ended_at__range=_recently(timezone.now()))
    return recent.order_by("-ended_at").values_list("why", flat=True).first() or ""


def unfit_between(since: datetime, until: datetime) -> str:
    """Why the bench was unfit in this span, in words; empty if it was fit. A shortage of less than
    `bench.unfit_min_percent` of the span is too short to matter."""
    return _told(_rows(since, until, limits()), since, until)


def busy_between(since: datetime, until: datetime) -> str:
    """Why what was slow in this span should be measured again, in words; empty if the bench was not busy."""
    return _told([*_of_kind(since, until, BenchShortage.BUSY), *_rows(since, until, busy_limits())], since, until)


def _told(rows: list[BenchShortage], since: datetime, until: datetime) -> str:
    unfit_s = total(_within(rows, since, until)).total_seconds()
    span_s = (until - since).total_seconds()
    if not rows or unfit_s <= 0 or unfit_s < settings.VETTING.bench.unfit_min_percent / 100 * span_s:
        return ""
    worst = max(rows, key=lambda row: row.weight)
    what = {BenchShortage.CPU: "short of CPU, ", BenchShortage.BUSY: "busy, "}.get(worst.kind, "")
    return f"{what}{worst.why}; for {unfit_s:.0f} of {span_s:.0f} s"


def starved(since: datetime, until: datetime) -> list[Span]:
    """The times in this span in which the bench was short of CPU."""
    return _within([row for row in _rows(since, until, limits()) if row.kind == BenchShortage.CPU], since, until)


def without_link(since: datetime, until: datetime, site: str = "") -> list[Span]:
    """The times in this span in which the bench's own port at this site had no link: no host could reach it. Without a
    site, ours counts."""
    return _within(_of_kind(since, until, BenchShortage.LINK, site=site), since, until)


def total(spans: Iterable[Span]) -> timedelta:
    """How long the spans are together. Where they overlap, the time counts once."""
    added, reached = timedelta(), None
    for start, end in sorted(spans):
        start = start if reached is None else max(start, reached)
        if end > start:
            added, reached = added + (end - start), end
    return added


def _of_kind(since: datetime, until: datetime, *kinds: str, site: str = "") -> list[BenchShortage]:
    sites = ("", site or settings.VETTING.web.address)
    return list(BenchShortage.objects.filter(kind__in=kinds, site__in=sites, ended_at__gt=since, started_at__lt=until))


def _rows(since: datetime, until: datetime, most: Limits) -> list[BenchShortage]:
    """The shortages in this span. If it lasts until now, also what a sample taken now shows."""
    rows = _of_kind(since, until, BenchShortage.CPU, *_OF_PORT)
    now = timezone.now()
    if until >= now - _GOES_ON and (found := _shortage_now(most)):
        began = max(since, now - timedelta(seconds=settings.VETTING.bench.window_s))
        rows.append(
            BenchShortage(
                kind=BenchShortage.CPU, why=found.why, weight=found.weight, started_at=began, ended_at=max(now, until)
            )
        )
    return rows


def _within(rows: Iterable[BenchShortage], since: datetime, until: datetime) -> list[Span]:
    return [(max(row.started_at, since), min(row.ended_at, until)) for row in rows]


# --- the newest samples ------------------------------------------------------------------------------------------


def _shortage_now(most: Limits) -> Shortage | None:
    """The shortage that a sample taken now shows. None if no worker takes samples, since a single sample shows
    nothing."""
    kept = _kept()
    return benchload.shortage(_window([*kept, benchload.read()]), most) if kept else None


def _keep(sample: Sample) -> list[Sample]:
    """Keep this sample and those of the window before it; return them."""
    global _known
    samples = [one for one in _kept() if sample.at - _KEPT_S < one.at < sample.at]
    window = _window([*samples, sample])
    atomic.write(_path(), json.dumps({"samples": [benchload.as_json(one) for one in window]}).encode())
    _known = _version(), window
    return window


def _window(samples: list[Sample]) -> list[Sample]:
    """The samples of the last seconds; if that is only one, also the one before it."""
    first = samples[-1].at - settings.VETTING.bench.window_s
    inside = [one for one in samples if one.at >= first]
    return inside if len(inside) > 1 else samples[-2:]


# The samples in the file, by the version of the file in which they were read or written.
_known: tuple[tuple[int, ...], list[Sample]] = (), []


def _kept() -> list[Sample]:
    global _known
    if not (version := _version()) or version != _known[0]:
        _known = version, _read()
    return _known[1]


def _version() -> tuple[int, ...]:
    try:
        facts = _path().stat()
    except OSError:
        return ()
    return facts.st_ino, facts.st_mtime_ns, facts.st_size


def _read() -> list[Sample]:
    found: Any = atomic.read_json(_path()).get("samples")
    samples = [benchload.from_json(one) for one in found] if isinstance(found, list) else []
    return [one for one in samples if one is not None]


def _path() -> Path:
    return volatile.folder(settings.PID_DIR) / "load.json"
