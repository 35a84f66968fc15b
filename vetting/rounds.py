"""A worker's round: every second, these ticks, one after the other, by one process of a machine at a time.

Where several machines share a database, each does the ticks of `ON_EACH_MACHINE`, and the one that leads does all of
them (vetting/leadership.py).

The round runs in leased sessions of 25 s, each a django-q2 task that queues its successor; a schedule revives the chain
every minute should it ever break. What a tick does may happen twice; every tick is written so that this is harmless.

On SQLite a session lasts six hours, and the worker's parent revives a broken chain (`vetworker`): a session that ends,
and a schedule, write to the disk though nothing happens.

A tick looks at rows and does what is short. What takes as long as a host, a BMC or the number of rows wants is a job of
its own, which the last tick hands out (runs/jobs.py); a tick that takes too long all the same is stopped
(vetting/tickwatch.py).
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection, transaction
from django.utils import timezone
from django_q.models import OrmQ, Schedule

import notifications.outbox
import pxe.link.iperf
import pxe.link.loopback
import pxe.link.ownport
import pxe.readiness
import pxe.supervisor
import pxe.wake
import runs.bench.faults
import runs.bench.fitness
import runs.dispatcher
import runs.jobs
import runs.outages
import runs.reports.write
import runs.retention
import runs.rolling_up
import runs.watchdog
import vetting.inforce
from runs.bench import process
from runs.jobs import enqueue
from vetting import leadership, tickwatch
from vetting.tickwatch import Watch

log = logging.getLogger("vetting.rounds")


def share_link() -> None:
    runs.dispatcher.share_link(pxe.link.loopback.measure)


# This tick comes first: it ends programs that vetting.yaml switched off, and later ticks may take long.
TICKS: tuple[Callable[[], object], ...] = (
    pxe.supervisor.tick,
    pxe.link.iperf.tick,
    vetting.inforce.tick,
    pxe.readiness.tick,
    runs.bench.fitness.tick,
    pxe.link.ownport.tick,
    runs.dispatcher.start_runs,
    share_link,
    runs.watchdog.tick,
    pxe.wake.tick,
    notifications.outbox.tick,
    runs.reports.write.tick,
    runs.retention.tick,
    runs.rolling_up.tick,
    runs.jobs.tick,
    leadership.tick,
    runs.bench.faults.tick,
)
# The ticks of a machine that does not lead. (The tick of the watchdog also calls `look_at_web`.)
ON_EACH_MACHINE: tuple[Callable[[], object], ...] = (
    pxe.supervisor.tick,
    pxe.link.iperf.tick,
    vetting.inforce.tick,
    pxe.readiness.tick,
    runs.bench.fitness.tick,
    pxe.link.ownport.tick,
    share_link,
    runs.outages.look_at_web,
    runs.jobs.tick,
    runs.bench.faults.tick,
)
SESSION = "vetting.rounds.session"
SESSION_S = 25.0
ALONE_SESSION_S = 6 * 3600.0  # on SQLite
_GRACE_S = 60.0
INTERVAL_S = 1.0


def session() -> str:
    """Hold the lease for `session_s` and do a round every second; then queue the next session. If the database is
    locked, full or unreachable for a while, the session goes on until it can hand over or another session took over."""
    me = process.mine()
    if not leadership.take_round(me):
        return "held by another"
    if leadership.is_alone():
        _empty_queue()
    with Watch(partial(leadership.renew, me), partial(hand_over, me)) as watch:
        return _do_rounds(me, watch)


def _do_rounds(me: str, watch: Watch) -> str:
    length, leads = Length(), False
    while True:
        started = time.monotonic()
        try:
            leads = leads or _may_lead(me)
            do_round(watch, leads=leads)
            is_mine, leads = leadership.renew(me)
            if not (is_mine and parent_is_alive()):
                return "lease lost, or the worker is stopping"
            if length.is_over():
                hand_over(me)
                return "done"
        except DatabaseError:
            log.exception("the round is not on record")
            close_old_connections()
            leads = False  # valid until the database can be asked again
        time.sleep(max(0.05, INTERVAL_S - (time.monotonic() - started)))


def _may_lead(me: str) -> bool:
    """Whether this machine leads from now on. It does not lead while the database fails; ticks that need no database
    still run."""
    if settings.VETTING.role == "relay":
        return False
    try:
        return leadership.take_lead(me)
    except DatabaseError:
        log.exception("nobody knows which machine leads")
        close_old_connections()
        return False


def do_round(watch: Watch, *, leads: bool = True) -> None:
    """Call each tick once. A tick that fails or takes too long does not prevent the others."""
    paused = _paused()
    with watch.round():
        for tick in ticks_of(leads=leads):
            if not tickwatch.is_paused(paused, name := name_of(tick)):
                _do(tick, name, watch, was_paused=name in paused)


def ticks_of(*, leads: bool) -> tuple[Callable[[], object], ...]:
    """The ticks of this machine. A relay does no jobs."""
    if leads:
        return TICKS
    is_relay = settings.VETTING.role == "relay"
    return tuple(tick for tick in ON_EACH_MACHINE if not (is_relay and tick is runs.jobs.tick))


def _paused() -> dict[str, Any]:
    """The paused ticks; none if the database fails, since some ticks need no database."""
    try:
        return tickwatch.known()
    except DatabaseError as error:
        log.error("the database does not say which ticks are paused: %s", error)
        close_old_connections()
        return {}


def _do(tick: Callable[[], object], name: str, watch: Watch, *, was_paused: bool) -> None:
    started = time.monotonic()
    try:
        with watch.tick(name):
            tick()
    except tickwatch.Overdue:
        log.exception("tick %s was stopped", name)
    except Exception as error:
        log.exception("tick %s failed", name)
        close_old_connections()
        if not isinstance(error, runs.bench.faults.NOT_OF_ONE_ROW):
            runs.bench.faults.note(f"The worker's tick {name}", error)
    took_s = time.monotonic() - started
    if took_s > tickwatch.LIMIT_S:
        connection.close()  # also in the middle of a transaction or query
        tickwatch.pause(name, took_s)
    elif was_paused:
        tickwatch.forgive(name)
    elif took_s > tickwatch.SLOW_S:
        log.warning("tick %s took %.1f s", name, took_s)


def name_of(tick: Callable[[], object]) -> str:
    """`pxe.wake` of `pxe.wake.tick`."""
    return f"{tick.__module__}.{tick.__name__}".removesuffix(".tick")


@transaction.atomic
def hand_over(me: str) -> None:
    """Free the lease and queue the next session, both in one transaction."""
    leadership.free_round(me)
    queue_session()


class Length:
    """How long this session goes on. On SQLite it ends early if the queue may be broken: a process of the cluster died,
    which may have held the queue's lock, or a job was handed out and nobody began it. No session follows then, and the
    worker's parent starts the cluster again."""

    def __init__(self) -> None:
        self._began, self._processes = time.monotonic(), _cluster()

    def is_over(self) -> bool:
        lasted_s = time.monotonic() - self._began
        if lasted_s >= session_s() or not leadership.is_alone():
            return lasted_s >= session_s()
        return _cluster() != self._processes or (lasted_s >= SESSION_S and runs.jobs.nobody_begins())


def _cluster() -> str:
    """The numbers of the processes of our cluster: the children of our parent."""
    parent = os.getppid()
    try:
        return Path(f"/proc/{parent}/task/{parent}/children").read_text()
    except OSError:
        return ""


def session_s() -> float:
    return ALONE_SESSION_S if leadership.is_alone() else SESSION_S


def queue_session() -> None:
    """Have a worker process do the next session. django-q2 ends a task after 90 s if it is not told otherwise."""
    enqueue(SESSION, limit_s=int(session_s() + _GRACE_S) if leadership.is_alone() else None)


def _empty_queue() -> None:
    """Remove the sessions that are queued, with the one that runs: django-q2 would start it again after two minutes."""
    with suppress(DatabaseError):
        OrmQ.objects.filter(pk__in=[row.pk for row in OrmQ.objects.all() if row.task.get("func") == SESSION]).delete()


def parent_is_alive() -> bool:
    """Whether the vetworker that started this cluster is alive (True if none did, as in a test)."""
    return not settings.WORKER_PARENT_PID or psutil.pid_exists(settings.WORKER_PARENT_PID)


def ensure_schedule() -> None:
    """Create the schedule that queues a session of this machine every minute if none is queued. Also repair it after
    the clock was set back, which leaves it in the future. SQLite needs none: the worker's parent looks."""
    if leadership.is_alone():
        Schedule.objects.filter(func=SESSION).delete()
        return
    queue = settings.Q_CLUSTER.get("cluster_name")
    every_minute = {"func": SESSION, "schedule_type": Schedule.MINUTES, "minutes": 1, "repeats": -1, "cluster": queue}
    name = f"round {settings.MACHINE}" if queue else "round"
    Schedule.objects.update_or_create(name=name, defaults={**every_minute, "next_run": timezone.now()})
