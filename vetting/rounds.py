"""A worker's round: every second, these ticks, one after the other, by one process at a time.

The round runs in leased sessions of 25 s, each a django-q2 task that queues its successor; a schedule revives the chain
every minute should it ever break. What a tick does may happen twice; every tick is written so that this is harmless.

A tick looks at rows and does what is short. What takes as long as a host, a BMC or the number of rows wants is a job of
its own, which the last tick hands out (runs/jobs.py); a tick that takes too long all the same is stopped
(vetting/tickwatch.py).
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import psutil
from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection, models, transaction
from django.utils import timezone
from django_q.models import Schedule

import notifications.outbox
import pxe.iperf
import pxe.loopback
import pxe.ownport
import pxe.supervisor
import pxe.wake
import runs.bench.fitness
import runs.dispatcher
import runs.jobs
import runs.reports.write
import runs.retention
import runs.watchdog
import vetting.inforce
from runs.jobs import enqueue
from runs.models import Lease
from vetting import tickwatch
from vetting.tickwatch import Watch

log = logging.getLogger("vetting.rounds")


def dispatch() -> None:
    runs.dispatcher.tick(pxe.loopback.measure)


# First end what vetting.yaml switched off: later ticks may take long.
TICKS: tuple[Callable[[], object], ...] = (
    pxe.supervisor.tick,
    pxe.iperf.tick,
    vetting.inforce.tick,
    runs.bench.fitness.tick,
    pxe.ownport.tick,
    dispatch,
    runs.watchdog.tick,
    pxe.wake.tick,
    notifications.outbox.tick,
    runs.reports.write.tick,
    runs.retention.tick,
    runs.jobs.tick,
)
SESSION = "vetting.rounds.session"
SESSION_S = 25.0
INTERVAL_S = 1.0
LEASE_S = 10.0


def session() -> str:
    """Hold the lease for up to 25 s and do a round every second; then queue the next session. If the database is
    locked, full or unreachable for a while, the session goes on until it can hand over or another session took over."""
    me = f"{socket.gethostname()}:{os.getpid()}"
    if not take_lease(me):
        return "held by another"
    with Watch(partial(renew_lease, me), partial(hand_over, me)) as watch:
        return _do_rounds(me, watch)


def _do_rounds(me: str, watch: Watch) -> str:
    end = time.monotonic() + SESSION_S
    while True:
        started = time.monotonic()
        try:
            do_round(watch)
            if not (renew_lease(me) and parent_is_alive()):
                return "lease lost, or the worker is stopping"
            if time.monotonic() >= end:
                hand_over(me)
                return "done"
        except DatabaseError:
            log.exception("the round is not on record")
            close_old_connections()
        time.sleep(max(0.05, INTERVAL_S - (time.monotonic() - started)))


def do_round(watch: Watch) -> None:
    """Call each tick once. A tick that fails or takes too long does not prevent the others."""
    paused = _paused()
    with watch.round():
        for tick in TICKS:
            if not tickwatch.is_paused(paused, name := name_of(tick)):
                _do(tick, name, watch, was_paused=name in paused)


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
    except Exception:
        log.exception("tick %s failed", name)
        close_old_connections()
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
    Lease.objects.filter(name=Lease.ROUND, holder=me).update(until=None)
    enqueue(SESSION)


def take_lease(me: str) -> bool:
    Lease.objects.get_or_create(name=Lease.ROUND)
    now = timezone.now()
    # No lease lasts this long: the clock was set back, and the holder may be dead.
    far = models.Q(until__gt=now + timedelta(seconds=2 * LEASE_S))
    free = models.Q(until=None) | models.Q(until__lt=now) | models.Q(holder=me) | far
    taken = Lease.objects.filter(free, name=Lease.ROUND).update(holder=me, until=now + timedelta(seconds=LEASE_S))
    return taken == 1


def renew_lease(me: str) -> bool:
    """Show that the round goes on. False if another session has the lease."""
    now = timezone.now()
    mine = Lease.objects.filter(name=Lease.ROUND, holder=me)
    return mine.update(until=now + timedelta(seconds=LEASE_S), ticked_at=now) == 1


def parent_is_alive() -> bool:
    """Whether the vetworker that started this cluster is alive (True if none did, as in a test)."""
    return not settings.WORKER_PARENT_PID or psutil.pid_exists(settings.WORKER_PARENT_PID)


def drop_lease() -> None:
    """Drop the lease of a dead worker on this machine; a lease of another machine is kept."""
    ours = models.Q(holder="") | models.Q(holder__startswith=f"{socket.gethostname()}:")
    Lease.objects.filter(ours, name=Lease.ROUND).update(until=None, holder="")


def ensure_schedule() -> None:
    """Create the schedule that queues a session every minute if none is queued; also repair it after the clock was set
    back, which leaves it in the future."""
    every_minute = {"func": SESSION, "schedule_type": Schedule.MINUTES, "minutes": 1, "repeats": -1}
    Schedule.objects.update_or_create(name="round", defaults={**every_minute, "next_run": timezone.now()})
