"""Deadlines. Every state that waits has one; a missed deadline becomes an event of the table, with what was last seen.

Time in which our web process did not answer does not count. Time in which the bench was short of CPU, or its own port
had no link, does not count either, within bounds.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from runs import former_sites, intake, ladder, outages, transition
from runs.bench import faults, fitness
from runs.database.moments import Later
from runs.machine import AGENT_SILENT, STAGE_STATES, Event, NotAllowed, State
from runs.models import Actor, Run, StageRun
from runs.querysets import RunQuerySet
from runs.wording import naming

log = logging.getLogger("vetting.watchdog")


@dataclass(frozen=True)
class Missed:
    """A deadline that has passed. It counted from `since` and allowed `limit_s`; the run has taken `taken_s`, without
    what does not count."""

    event: Event
    since: datetime
    limit_s: float
    taken_s: float


def tick() -> None:
    """One round over the runs whose time may be over. The database chooses them: the number of queries does not grow
    with the number of runs that wait."""
    outages.look_at_web()
    if not outages.somebody_is_waited_for():
        return
    now = timezone.now()
    for run in waiting_long(now):
        with faults.confined(f"The deadline of run {run.pk} ({run.host.name})"):
            _look_at(run, now)


def _look_at(run: Run, now: datetime) -> None:
    missed = missed_deadline(run, now)
    if missed is None:
        return
    if missed.event is Event.BOOT_DEADLINE:
        _end_boot(run, missed, now)
    elif missed.event is Event.HOLD_DEADLINE:
        why = f"held for {missed.limit_s / 3600:g} hours: released by itself"
        _miss(run, missed.event, why, states=(State.FAILED_HOLDING,))
    else:
        _end_stage(run, missed, now)


def waiting_long(now: datetime) -> RunQuerySet:
    """The runs that have waited longer than a deadline allows, by the clock alone. What does not count against a
    deadline (`outages.not_counted`) is looked at run by run."""
    limits = settings.VETTING.deadlines
    silent_since = now - timedelta(seconds=limits.heartbeat_s)
    here = StageRun.objects.filter(run=OuterRef("pk"), name=OuterRef("state"), outcome="")
    silent = Exists(here.filter(created_at__lt=silent_since)) & (Q(last_seen=None) | Q(last_seen__lt=silent_since))
    over = Exists(here.filter(timeout_s__gt=0).annotate(end=Later(F("go_at"), F("timeout_s"))).filter(end__lt=now))
    return (
        Run.objects.filter(
            Q(state__in=AGENT_SILENT, boot_deadline__lte=now)
            | Q(state=State.FAILED_HOLDING, state_since__lt=now - timedelta(hours=limits.hold_hours))
            | (Q(state__in=STAGE_STATES) & (silent | over)),
            state__in=(*AGENT_SILENT, *STAGE_STATES, State.FAILED_HOLDING),
        )
        .light()
        .select_related("host")
        .order_by("id")
    )


def _end_boot(run: Run, missed: Missed, now: datetime) -> None:
    began = missed.since
    stopped = former_sites.not_heard_since(run, began) + _unfit_words(began, now, run.site) + ladder.stopped_at(run)
    _miss(run, missed.event, stopped, states=AGENT_SILENT, bench_error=stopped)


def boot_is_overdue(run: Run, now: datetime) -> bool:
    """Whether the boot's deadline has passed. The token is refused from then on, even before the watchdog looks."""
    if run.boot_deadline is None or now < run.boot_deadline:
        return False
    began = _began(run)
    limit_s = max(0.0, (run.boot_deadline - began).total_seconds())  # with what the host alone is allowed
    return now >= run.boot_deadline + outages.not_counted(began, now, limit_s, run.site)


def _began(run: Run) -> datetime:
    return run.started_at or run.created_at


def missed_deadline(run: Run, now: datetime) -> Missed | None:
    """The deadline of the run's present state that has passed; None if none has."""
    if run.state in AGENT_SILENT:
        began, overdue = _began(run), boot_is_overdue(run, now)
        limit_s = (run.boot_deadline - began).total_seconds() if run.boot_deadline else 0.0
        return Missed(Event.BOOT_DEADLINE, began, limit_s, (now - began).total_seconds()) if overdue else None
    if run.state == State.FAILED_HOLDING:
        limit_s, held_s = settings.VETTING.deadlines.hold_hours * 3600, (now - run.state_since).total_seconds()
        return Missed(Event.HOLD_DEADLINE, run.state_since, limit_s, held_s) if held_s > limit_s else None
    stage_run = _open_attempt(run)
    return _missed_in_stage(run, stage_run, now) if stage_run else None


def _missed_in_stage(run: Run, stage_run: StageRun, now: datetime) -> Missed | None:
    heard, heartbeat_s = _last_heard(run, stage_run), settings.VETTING.deadlines.heartbeat_s
    if silent_s := _longer_than(heartbeat_s, heard, now, run.site):
        return Missed(Event.HEARTBEAT_DEADLINE, heard, heartbeat_s, silent_s)
    if stage_run.go_at is None or not stage_run.timeout_s:
        return None
    if taken_s := _longer_than(stage_run.timeout_s, stage_run.go_at, now, run.site):
        return Missed(Event.STAGE_DEADLINE, stage_run.go_at, stage_run.timeout_s, taken_s)
    return None


def _open_attempt(run: Run) -> StageRun | None:
    return run.stage_runs.filter(name=run.state, outcome="").order_by("-attempt").first()


def _last_heard(run: Run, stage_run: StageRun) -> datetime:
    return max(moment for moment in (run.last_seen, stage_run.created_at) if moment)


def _end_stage(run: Run, missed: Missed, now: datetime) -> None:
    stage = naming.state_in_words(run.state)
    if missed.event is Event.HEARTBEAT_DEADLINE:
        what = f"the host went silent in {stage} for {missed.taken_s:.0f} s"
    else:
        what = f"{stage} was not done after {missed.taken_s:.0f} s (limit {missed.limit_s:.0f} s)"
    _miss_or_blame_bench(run, missed.event, f"{what}; {intake.last_seen_text(run)}", missed.since, now)


def _miss_or_blame_bench(run: Run, event: Event, why: str, since: datetime, now: datetime) -> None:
    """Miss the deadline. Blame the bench and not the host if the bench was short of CPU or without a link for most of
    the time, or if it has got another address since it last heard of the host."""
    unfit_s = fitness.total(outages.unfit_spans(since, now, run.site)).total_seconds()
    moved = former_sites.not_heard_since(run, run.last_seen or since)
    excused_s = settings.VETTING.bench.excuses_deadline_percent / 100 * (now - since).total_seconds()
    if unfit_s < excused_s and not moved:
        _miss(run, event, why)
        return
    blame = f"bench: {moved}{_unfit_words(since, now, run.site)}{why[:1].upper()}{why[1:]}"
    _miss(run, Event.BENCH_DEADLINE, blame, bench_error=blame)


def _unfit_words(since: datetime, now: datetime, site: str) -> str:
    """For how long the bench was short of CPU, and for how long without a link, as sentences; empty if it was not."""
    told = {
        "The bench was short of CPU": fitness.starved(since, now),
        "The bench's own port had no link": fitness.without_link(since, now, site),
    }
    lasted_s = {what: fitness.total(spans).total_seconds() for what, spans in told.items()}
    span_s = (now - since).total_seconds()
    return "".join(
        f"{what} for {each_s:.0f} of these {span_s:.0f} s. " for what, each_s in lasted_s.items() if each_s >= 1
    )


def _longer_than(limit_s: float, since: datetime, now: datetime, site: str) -> float:
    """Seconds since then, without those that do not count, if they are more than `limit_s`; else 0. What does not count
    is read only if it can matter: it takes some queries for each run."""
    if (now - since).total_seconds() <= limit_s:
        return 0
    taken_s = (now - since - outages.not_counted(since, now, limit_s, site)).total_seconds()
    return taken_s if taken_s > limit_s else 0


def _miss(run: Run, event: Event, why: str, *, states: tuple[State, ...] = STAGE_STATES, bench_error: str = "") -> None:
    """Apply the missed deadline, unless the host was heard of since the run was read."""
    seen = run.last_seen
    try:
        with transition.locked(run.pk) as now_run:
            if now_run.state != run.state or now_run.last_seen != seen or now_run.state not in states:
                return
            if event is not Event.HOLD_DEADLINE:  # ends a hold; why the run failed is known already
                now_run.stopped_by, now_run.bench_error = why, bench_error
                now_run.save(update_fields=["stopped_by", "bench_error"])
            transition.apply(now_run, event, actor=Actor.WATCHDOG, who="watchdog", why=why)
    except (NotAllowed, transition.Refused) as error:
        log.info("run %s: %s", run.pk, error)
