"""The dashboard: one tile per host. The number of queries does not grow with the number of hosts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Count, Exists, Max, OuterRef, QuerySet, Subquery, Value, Window
from django.db.models.functions import Coalesce, RowNumber
from django.utils import timezone

from hosts import wakemethods
from hosts.models import DOCUMENTS, Health, Host
from runs.bench import service_state
from runs.desk.shown import Shown
from runs.machine import LIVE, STAGE_STATES, State
from runs.models import Finding, MeasurementBatch, Outcome, Run, Severity, StageRun, Verdict
from runs.profiles.durations import Standing, standing

FRESH = timedelta(seconds=60)
BLAMED = 2
_TONES: dict[str, str] = {Health.GOOD: "good", Health.BAD: "bad"}
_NEEDS_SOMEBODY = frozenset((State.FAILED_HOLDING, State.FAILED))


@dataclass(frozen=True)
class Tile:
    """One tile. `run` is the newest run, None for a host that was never vetted."""

    host: Host
    run: Run | None = None
    stage: StageRun | None = None
    position: Standing = field(default_factory=lambda: Standing(0.0, None))
    hottest_c: float | None = None
    blamed: Sequence[Finding] = ()
    more_blamed: int = 0
    last_verdict: str = ""

    @property
    def group(self) -> str:
        """`attention`, `running` or `rest`."""
        if self.run is None:
            return "rest"
        if self.wants_button:
            return "attention"
        if self.run.state in LIVE:
            return "running"
        if self.run.state in _NEEDS_SOMEBODY or self.run.verdict in (Verdict.ERROR, Verdict.FAILED):
            return "attention"
        return "rest"

    @property
    def wants_button(self) -> bool:
        """Whether the run waits for somebody to press the host's power button."""
        waits = self.run is not None and self.run.state == State.WAITING_WOL
        return waits and wakemethods.by_hand(self.host.wake_method)

    @property
    def testing(self) -> bool:
        return self.run is not None and self.run.state in STAGE_STATES

    @property
    def percent(self) -> int:
        return round(self.position.fraction * 100)

    @property
    def tone(self) -> str:
        """The CSS class that colours the tile: live, warn, bad, or that of the host's health."""
        if self.group == "running":
            return "live"
        if self.wants_button:
            return "warn"
        if self.run and self.run.state == State.FAILED_HOLDING and self.run.verdict == Verdict.INCOMPLETE:
            return "warn"
        if self.group == "attention":
            return "warn" if self.run and self.run.verdict == Verdict.ERROR else "bad"
        if self.run and self.run.verdict == Verdict.INCOMPLETE:
            return "warn"
        return _TONES.get(self.host.health, "idle")


def of_hosts(ids: Sequence[int]) -> list[Tile]:
    """The tiles of these hosts, in this order."""
    hosts = _light(Host.objects.all()).in_bulk(ids)
    newest = Run.objects.filter(host__in=hosts).exclude(_is_older()).light("profile")
    return _tiles([hosts[pk] for pk in ids if pk in hosts], list(newest))


def of_runs(ids: Iterable[int]) -> list[Tile]:
    """The tiles of the hosts whose newest run is among these, by name."""
    newest = list(Run.objects.filter(pk__in=list(ids)).exclude(_is_older()).light("profile"))
    return _tiles(list(_light(Host.objects.filter(pk__in=[run.host_id for run in newest]))), newest)


def _tiles(hosts: Sequence[Host], newest: Sequence[Run]) -> list[Tile]:
    runs = {run.host_id: run for run in newest}
    live = [run.pk for run in newest if run.state in LIVE]
    stages, heat, blamed = _stages(live), _hottest(live), _blamed(newest)
    now, at_work = timezone.now(), not service_state.is_silent()
    return [_tile(host, runs.get(host.pk), stages, heat, blamed, now, at_work) for host in hosts]


def grouped(some: Sequence[Tile]) -> dict[str, list[Tile]]:
    """The tiles by group, each in the order in which they come."""
    groups: dict[str, list[Tile]] = {"attention": [], "running": [], "rest": []}
    for tile in some:
        groups[tile.group].append(tile)
    return groups


def _tile(
    host: Host,
    run: Run | None,
    stages: dict[int, list[StageRun]],
    heat: dict[int, float],
    blamed: dict[int, Shown[Finding]],
    now: datetime,
    at_work: bool,
) -> Tile:
    if run is None:
        return Tile(host)
    attempts = stages.get(run.pk, [])
    running = [row for row in attempts if row.name == run.state and row.outcome == Outcome.RUNNING]
    return Tile(
        host=host,
        run=run,
        stage=running[-1] if running else None,
        position=standing(run.profile, run.state, attempts, now, at_work=at_work),
        hottest_c=heat.get(run.pk),
        blamed=blamed[run.pk].rows if run.pk in blamed else (),
        more_blamed=blamed[run.pk].more if run.pk in blamed else 0,
        last_verdict=host.last_verdict,  # type: ignore[attr-defined]  # `_light` puts it there
    )


def _is_older() -> Exists:
    """Whether the run's host has a newer run."""
    return Exists(Run.objects.filter(host=OuterRef("host"), pk__gt=OuterRef("pk")))


def _light(hosts: QuerySet[Host]) -> QuerySet[Host]:
    """Reads the last verdict of each host, but not the JSON documents, which no tile shows."""
    judged = Run.objects.filter(host=OuterRef("pk")).exclude(verdict=Verdict.NONE).order_by("-id")
    last = Coalesce(Subquery(judged.values("verdict")[:1]), Value(""))
    return hosts.annotate(last_verdict=last).defer(*DOCUMENTS)


def _stages(run_ids: list[int]) -> dict[int, list[StageRun]]:
    rows = StageRun.objects.filter(run_id__in=run_ids).defer("checks", "counters", "numbers", "refusals", "evidence")
    by_run: dict[int, list[StageRun]] = {}
    for row in rows:
        by_run.setdefault(row.run_id, []).append(row)
    return by_run


def _hottest(run_ids: list[int]) -> dict[int, float]:
    """Highest temperature of the last minute, in °C."""
    since_ms = int((timezone.now() - FRESH).timestamp() * 1000)
    recent = MeasurementBatch.objects.filter(run_id__in=run_ids, last_ms__gte=since_ms, hottest__isnull=False)
    return dict(recent.order_by().values_list("run_id").annotate(hottest=Max("hottest")))


def _blamed(runs: Sequence[Run]) -> dict[int, Shown[Finding]]:
    """The first critical findings of the runs shown that count, as `verdict.counting` has it: which part to pull."""
    wanted = [run.pk for run in runs if run.verdict == Verdict.FAILED or run.state in (State.FAILED, *LIVE)]
    same_stage = StageRun.objects.filter(run_id=OuterRef("run_id"), name=OuterRef("stage_run__name"))
    in_a_later_boot = same_stage.filter(boot__gt=OuterRef("stage_run__boot"))
    critical = Finding.objects.filter(run_id__in=wanted, severity=Severity.CRITICAL).exclude(Exists(in_a_later_boot))
    # Findings are ranked and counted without their messages, which can have many megabytes in an old run.
    place = Window(RowNumber(), partition_by="run_id", order_by="id")
    firsts = critical.annotate(place=place).filter(place__lte=BLAMED).values("pk")
    count = critical.filter(run=OuterRef("run")).order_by().values("run").annotate(count=Count("pk")).values("count")
    by_run: dict[int, list[Finding]] = {}
    counts: dict[int, int] = {}
    for finding in Finding.objects.filter(pk__in=firsts).annotate(count=Subquery(count)).order_by("id"):
        by_run.setdefault(finding.run_id, []).append(finding)
        counts[finding.run_id] = finding.count
    return {run: Shown(rows, counts[run] - len(rows)) for run, rows in by_run.items()}
