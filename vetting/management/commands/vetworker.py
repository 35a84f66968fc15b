"""The worker: a django-q2 cluster that does the rounds, and a parent that notices when it has stopped doing them."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import time
from typing import Any

from django.core.management.base import BaseCommand
from django.db import close_old_connections

from runs import pulse
from runs.jobs import enqueue
from vetting import processes, rounds

log = logging.getLogger("vetting.worker")
LOOK_EVERY_S = 2.0


class Command(BaseCommand):
    help = "Run the worker: dispatch, wake, watchdog, dnsmasq supervision, notifications, reports, janitor."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stopping = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        processes.kill_leftover("qcluster", "qcluster")
        while not self.stopping:
            cluster = self._start()
            self._watch(cluster)
            rounds.drop_lease()  # the session that runs ends with its round, so that the cluster can stop at once
            processes.stop(cluster)
            processes.kill_group(cluster.pid)

    def _stop(self, *args: Any) -> None:
        self.stopping = True

    def _start(self) -> subprocess.Popen[bytes]:
        rounds.drop_lease()
        rounds.ensure_schedule()
        enqueue(rounds.SESSION)
        return processes.start([*processes.MANAGE, "qcluster"], "qcluster", VETTING_WORKER_PARENT_PID=str(os.getpid()))

    def _watch(self, cluster: subprocess.Popen[bytes]) -> None:
        """Until it ends, or until no round was completed for 20 s. (A cluster whose idle worker is killed while it
        holds the queue's lock looks alive and does nothing, for ever: django-q2 issue 23.)"""
        started = time.monotonic()
        while not self.stopping:
            time.sleep(LOOK_EVERY_S)
            if cluster.poll() is not None:
                log.warning("the worker cluster ended (status %s): starting it again", cluster.returncode)
                return
            close_old_connections()
            if min(pulse.age_s(), time.monotonic() - started) > pulse.SILENT_AFTER_S:
                log.error("no round for %.0f s: the worker cluster is stuck, starting it again", pulse.SILENT_AFTER_S)
                processes.kill_group(cluster.pid)
                return
