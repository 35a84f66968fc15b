"""Deadlines. Every state that waits has one; a missed deadline becomes an event of the table, with what was last seen.

Time in which our web process did not answer does not count. Time in which the bench was short of CPU, or its own port
had no link, does not count either, within bounds.
"""

from __future__ import annotations

import http.client
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from runs import former_sites, intake, ladder, transition
from runs.bench import faults, fitness, last_seen, process
from runs.bench.last_seen import OUTAGE_AFTER
from runs.database import commits
from runs.database.moments import Later
from runs.machine import AGENT_SILENT, STAGE_STATES, Event, NotAllowed, State
from runs.models import Actor, Lease, Run, StageRun, WebOutage
from runs.querysets import RunQuerySet
from runs.wording import naming

log = logging.getLogger("vetting.watchdog")
LOOK_EVERY = timedelta(seconds=3)


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
    look_at_web()
    if not somebody_is_waited_for():
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


@commits.remembered
def somebody_is_waited_for() -> bool:
    return Run.objects.live_or_held().exists()


def waiting_long(now: datetime) -> RunQuerySet:
    """The runs that have waited longer than a deadline allows, by the clock alone. What does not count against a
    deadline (`not_counted`) is looked at run by run."""
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
    return now >= run.boot_deadline + not_counted(_began(run), now, settings.VETTING.deadlines.boot_s, run.site)


def _began(run: Run) -> datetime:
    return run.started_at or run.created_at


def missed_deadline(run: Run, now: datetime) -> Missed | None:
    """The deadline of the run's present state that has passed; None if none has."""
    if run.state in AGENT_SILENT:
        began, limit_s = _began(run), settings.VETTING.deadlines.boot_s
        overdue = boot_is_overdue(run, now)
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
    unfit_s = fitness.total(_unfit(since, now, run.site)).total_seconds()
    moved = former_sites.not_heard_since(run, run.last_seen or since)
    excused_s = settings.VETTING.bench.excuses_deadline_percent / 100 * (now - since).total_seconds()
    if unfit_s < excused_s and not moved:
        _miss(run, event, why)
        return
    blame = f"bench: {moved}{_unfit_words(since, now, run.site)}{why[:1].upper()}{why[1:]}"
    _miss(run, Event.BENCH_DEADLINE, blame, bench_error=blame)


def _unfit(since: datetime, until: datetime, site: str) -> list[fitness.Span]:
    """When in this span the bench was short of CPU, or could not be reached since its own port had no link. A link
    needs two ends: if the host is cabled to the bench without a switch, it may be the host's fault. So this counts
    within bounds, and its end is an error and not a wait for ever."""
    return [*fitness.starved(since, until), *fitness.without_link(since, until, site)]


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
    taken_s = (now - since - not_counted(since, now, limit_s, site)).total_seconds()
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


# --- our own web -------------------------------------------------------------------------------------------------


def look_at_web() -> None:
    """Ask our site's web process whether it answers, every few seconds. A gap since its last answer is an outage, also
    if this worker was not running to ask."""
    site = settings.VETTING.web.address
    now = timezone.now()
    if _is_recent(last_seen.read(Lease.web_of(site)), now):
        return
    lease, _ = Lease.objects.get_or_create(name=Lease.web_of(site))
    if _is_recent(seen := last_seen.web(lease), now):
        return
    former_sites.take_over()
    if not web_answers():
        return
    is_calm = seen is not None and timedelta() <= now - seen <= OUTAGE_AFTER
    if not (is_calm and not somebody_is_waited_for() and last_seen.note(lease.name, now)):
        _write_answer(lease, seen, now)


def _is_recent(seen: datetime | None, now: datetime) -> bool:
    return seen is not None and timedelta() <= now - seen < LOOK_EVERY  # otherwise the clock was set back


def _write_answer(lease: Lease, seen: datetime | None, now: datetime) -> None:
    """Write when the web process answered, and the outage before it. On SQLite only for a run that goes on, since
    nobody else has a deadline: a restart of the machine may then not lose when an outage began.

    While the database can't be written (its disk is full), no host's call can be kept either. So the time is noted
    after the row: otherwise the outage would have no length, and every host would be called silent afterwards."""
    with transaction.atomic():
        if seen is not None and now - seen > OUTAGE_AFTER:
            WebOutage.objects.create(site=settings.VETTING.web.address, started_at=seen, ended_at=now)
        Lease.objects.filter(name=lease.name).update(web_seen_at=now, holder=process.mine())
    last_seen.note(lease.name, now)


def web_answers(timeout_s: float = 1.0) -> bool:
    config = settings.VETTING.web
    host = "127.0.0.1" if config.listen in ("0.0.0.0", "::", "") else config.listen
    try:
        connection = http.client.HTTPConnection(host, config.port, timeout=timeout_s)
        connection.request("GET", "/livez")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def not_counted(since: datetime, until: datetime, limit_s: float, site: str = "") -> timedelta:
    """How much of this span does not count against a deadline of `limit_s` seconds, of a host at this site.

    All outages of the site's web process, and the other time in which the bench was short of CPU or its port without a
    link: the latter at most `bench.deadline_extends_max` times the deadline.
    """
    outages = web_outages(since, until, site)
    down = fitness.total(outages)
    unfit = fitness.total([*outages, *_unfit(since, until, site)]) - down
    return down + min(unfit, timedelta(seconds=limit_s * settings.VETTING.bench.deadline_extends_max))


def web_outages(since: datetime, until: datetime, site: str = "") -> list[fitness.Span]:
    """When in this span the site's web process did not answer, an outage that goes on included. A run that has not
    booted has no site: ours counts."""
    site = site or settings.VETTING.web.address
    outages = WebOutage.objects.filter(site__in=(site, ""), ended_at__gt=since, started_at__lt=until)
    spans = [(max(outage.started_at, since), min(outage.ended_at, until)) for outage in outages]
    lease = Lease.objects.filter(name=Lease.web_of(site)).first()
    if lease and (seen := last_seen.web(lease)) and until - seen > OUTAGE_AFTER:
        spans.append((max(seen, since), until))
    return spans
