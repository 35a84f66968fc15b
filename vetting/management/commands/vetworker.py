"""The worker: a django-q2 cluster that does the rounds, and a parent process that notices when the rounds stop."""

from __future__ import annotations

import logging
import os
import signal
import time
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import DatabaseError, close_old_connections

import pxe.link.iperf
import pxe.paths
import pxe.supervisor
from runs.bench import last_seen, service_state
from runs.database import limits as dblimits
from vetting import leadership, processes, rounds

log = logging.getLogger("vetting.worker")
LOOK_EVERY_S = 2.0
# A starting cluster first loads all our code: 18 s on a bench that is short of CPU.
STARTS_WITHIN_S = 60.0
LONGEST_TIMES = 8
# A session that was killed leaves a lease that runs out after 10 s.
ASK_AGAIN_AFTER_S = leadership.LEASE.total_seconds() + LOOK_EVERY_S
UNKNOWN = "unknown"
# The command lines of a cluster's processes: of its leader until django-q2 has given it a title, and afterwards.
TITLES = ("vetworker", "qcluster")


def switch_off() -> None:
    """End programs that vetting.yaml does not ask for before the cluster starts, even if the database fails."""
    pxe.paths.paths().make()
    for problem in [*pxe.supervisor.switch_off(pxe.paths.paths()), *pxe.link.iperf.switch_off()]:
        log.error("%s", problem)


def run_cluster(parent_pid: int) -> None:
    """Be django-q2's cluster. A round ends when the parent is gone."""
    settings.WORKER_PARENT_PID = parent_pid
    dblimits.use_by_default(dblimits.WORKER)
    call_command("qcluster")


class Command(BaseCommand):
    help = "Run the worker: dispatch, wake, watchdog, dnsmasq supervision, notifications, reports, janitor."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stopping = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        processes.kill_leftover("qcluster", *TITLES)
        switch_off()
        times = 1
        while not self.stopping:
            cluster = self._start()
            times = longer(times, did_a_round=self._watch(cluster, times))
            _drop_lease()
            processes.stop(cluster)
            processes.kill_group(cluster.pid)

    def _stop(self, *args: Any) -> None:
        self.stopping = True

    def _start(self) -> processes.Forked:
        while not self.stopping and not _prepared():
            time.sleep(LOOK_EVERY_S)
        return processes.Forked(partial(run_cluster, os.getpid()), "qcluster")

    def _watch(self, cluster: processes.Forked, times: int = 1) -> bool:
        """Watch the cluster until it ends, or until no round was completed for 20 s by the monotonic clock. (If an idle
        worker is killed while it holds the queue's lock, the cluster looks alive and does nothing for ever: django-q2
        issue 23.) While the database does not answer, no round is possible, and the cluster is not to blame. A new
        cluster has `times` the usual time to start. Returns whether it did a round."""
        before = last = _last_round()
        changed_at, is_asked = time.monotonic(), False
        while not self.stopping:
            time.sleep(LOOK_EVERY_S)
            if cluster.poll() is not None:
                log.warning("the worker cluster ended (status %s): starting it again", cluster.returncode)
                break
            if (now := _last_round(last)) == UNKNOWN or now != last:
                last, changed_at, is_asked = now, time.monotonic(), False
            limit_s = STARTS_WITHIN_S * times if last == before else service_state.SILENT_AFTER_S
            if time.monotonic() - changed_at > limit_s:
                log.error("no round for %.0f s: the worker cluster is stuck, starting it again", limit_s)
                processes.kill_group(cluster.pid)
                break
            if last != before and not is_asked and time.monotonic() - changed_at > ASK_AGAIN_AFTER_S:
                is_asked = _asked_again()
        return last != before


def longer(times: int, *, did_a_round: bool) -> int:
    """Give the next cluster more time to start: on a machine short of CPU, a cluster that is killed each time would
    never do a round."""
    return 1 if did_a_round else min(2 * times, LONGEST_TIMES)


def _asked_again() -> bool:
    """Queue a session on SQLite: the process that did the last one may be dead. Elsewhere a schedule queues one."""
    if leadership.is_alone():
        with suppress(DatabaseError):
            rounds.queue_session()
    return True


def _drop_lease() -> None:
    """Drop the lease, so that the running session ends after its round and the cluster can stop at once."""
    with suppress(DatabaseError):
        leadership.drop()


def _prepared() -> bool:
    """Free the lease and queue a session that takes it. False if that was not possible."""
    close_old_connections()
    try:
        leadership.drop()
        rounds.ensure_schedule()
        rounds.queue_session()
    except DatabaseError as error:
        log.error("the worker waits for the database: %s", error)
        return False
    return True


def _last_round(before: datetime | str | None = None) -> datetime | str | None:
    """When the last round was done. The database is asked only if none is known since `before`."""
    seen = last_seen.read(leadership.local())
    if seen is not None and seen != before:
        return seen
    close_old_connections()
    try:
        return service_state.last_round(leadership.local())
    except DatabaseError as error:
        log.error("the database can't be asked: %s", error)
        return UNKNOWN
