"""A worker's round: every second, these ticks, one after the other, by one process at a time.

The round runs in leased sessions of 25 s, each a django-q2 task that queues its successor; a schedule revives the chain
every minute should it ever break. What a tick does may happen twice; every tick is written so that this is harmless.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable
from datetime import timedelta

import psutil
from django.conf import settings
from django.db import DatabaseError, close_old_connections, models, transaction
from django.utils import timezone
from django_q.models import Schedule

import notifications.outbox
import pxe.iperf
import pxe.loopback
import pxe.ownport
import pxe.supervisor
import pxe.wake
import runs.dispatcher
import runs.fitness
import runs.report
import runs.retention
import runs.watchdog
import vetting.inforce
from runs.jobs import enqueue
from runs.models import Lease

log = logging.getLogger("vetting.rounds")


def dispatch() -> None:
    runs.dispatcher.tick(pxe.loopback.carries)


# What vetting.yaml switched off is off before anything that may take its time.
TICKS: tuple[Callable[[], object], ...] = (
    pxe.supervisor.tick,
    pxe.iperf.tick,
    vetting.inforce.tick,
    runs.fitness.tick,
    pxe.ownport.tick,
    dispatch,
    runs.watchdog.tick,
    pxe.wake.tick,
    notifications.outbox.tick,
    runs.report.tick,
    runs.retention.tick,
)
SESSION = "vetting.rounds.session"
SESSION_S = 25.0
INTERVAL_S = 1.0
LEASE_S = 10.0


def session() -> str:
    """Hold the lease for up to 25 s and do a round every second; then queue the next session. A database that is
    locked, full or away for a time does not end it: it goes on until it could hand over, or somebody else took over."""
    me = f"{socket.gethostname()}:{os.getpid()}"
    if not take_lease(me):
        return "held by another"
    end = time.monotonic() + SESSION_S
    while True:
        started = time.monotonic()
        try:
            do_round()
            if not (renew_lease(me) and parent_is_alive()):
                return "lease lost, or the worker is stopping"
            if time.monotonic() >= end:
                hand_over(me)
                return "done"
        except DatabaseError:
            log.exception("the round is not on record")
            close_old_connections()
        time.sleep(max(0.05, INTERVAL_S - (time.monotonic() - started)))


def do_round() -> None:
    """Each tick once; one that fails is logged and keeps no other from its turn."""
    for tick in TICKS:
        try:
            tick()
        except Exception:
            log.exception("tick %s failed", tick.__module__)
            close_old_connections()
    Lease.objects.filter(name=Lease.ROUND).update(ticked_at=timezone.now())


@transaction.atomic
def hand_over(me: str) -> None:
    """The lease is free and the next session is queued, or neither."""
    Lease.objects.filter(name=Lease.ROUND, holder=me).update(until=None)
    enqueue(SESSION)


def take_lease(me: str) -> bool:
    Lease.objects.get_or_create(name=Lease.ROUND)
    now = timezone.now()
    # Nobody takes it for so long: the clock was set back since, and whoever held it may be dead.
    far = models.Q(until__gt=now + timedelta(seconds=2 * LEASE_S))
    free = models.Q(until=None) | models.Q(until__lt=now) | models.Q(holder=me) | far
    taken = Lease.objects.filter(free, name=Lease.ROUND).update(holder=me, until=now + timedelta(seconds=LEASE_S))
    return taken == 1


def renew_lease(me: str) -> bool:
    until = timezone.now() + timedelta(seconds=LEASE_S)
    return Lease.objects.filter(name=Lease.ROUND, holder=me).update(until=until) == 1


def parent_is_alive() -> bool:
    """Whether the vetworker that started this cluster still is (True where none did, as in a test)."""
    return not settings.WORKER_PARENT_PID or psutil.pid_exists(settings.WORKER_PARENT_PID)


def drop_lease() -> None:
    """Of a worker of this machine that is known to be dead; another machine's goes on."""
    ours = models.Q(holder="") | models.Q(holder__startswith=f"{socket.gethostname()}:")
    Lease.objects.filter(ours, name=Lease.ROUND).update(until=None, holder="")


def ensure_schedule() -> None:
    """The minute's schedule that revives the chain; also after the clock was set back, which left it in the future."""
    every_minute = {"func": SESSION, "schedule_type": Schedule.MINUTES, "minutes": 1, "repeats": -1}
    Schedule.objects.update_or_create(name="round", defaults={**every_minute, "next_run": timezone.now()})
