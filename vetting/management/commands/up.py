"""Everything in one foreground process: for the demonstration, the rack and a first look. Production is systemd's."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand

import pxe.link.iperf
import pxe.supervisor
from vetting import processes
from vetting.management.commands.vetworker import TITLES

RESTART_AFTER_S = 0.5


class Command(BaseCommand):
    help = "Start web and worker, restart either if it ends, stop both on Ctrl-C or SIGTERM."

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", verbosity=0)
        self.stopping = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        children = {name: start() for name, start in PARTS.items()}
        self.stdout.write(
            f"Vetting is up: http://{settings.VETTING.web.address}:{settings.VETTING.web.port}/ (Ctrl-C stops)"
        )
        while not self.stopping:
            self._restart_the_dead(children)
            time.sleep(0.2)
        for child in children.values():
            child.terminate()
        for child in children.values():
            processes.stop(child)
        pxe.supervisor.stop()
        pxe.link.iperf.stop()

    def _stop(self, *args: Any) -> None:
        self.stopping = True

    def _restart_the_dead(self, children: dict[str, subprocess.Popen[bytes]]) -> None:
        for name, child in children.items():
            if child.poll() is not None and not self.stopping:
                self.stderr.write(f"{name} ended (status {child.returncode}): starting it again")
                time.sleep(RESTART_AFTER_S)
                children[name] = PARTS[name]()


def start_web() -> subprocess.Popen[bytes]:
    return processes.start([*processes.MANAGE, "web"], "web")


def start_worker() -> subprocess.Popen[bytes]:
    processes.kill_leftover("qcluster", *TITLES)
    return processes.start([*processes.MANAGE, "vetworker"], "worker")


PARTS: dict[str, Callable[[], subprocess.Popen[bytes]]] = {"web": start_web, "worker": start_worker}
