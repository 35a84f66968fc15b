"""Do the worker's tasks for dnsmasq and iperf3 once, while the worker does not run. vetting/keeper.py calls this."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from pxe import supervisor
from pxe.link import iperf
from pxe.paths import paths


class Command(BaseCommand):
    help = "Bring dnsmasq and iperf3 to what vetting.yaml and the database say, once, as the worker does every second."

    def handle(self, *args: Any, **options: Any) -> None:
        """Starts nothing as a child: systemd ends a unit's children with the unit."""
        config = settings.VETTING
        if config.pxe.mode != "off" and config.pxe.supervise == "tick":
            paths().make()
            supervisor.switch_off(paths())
        else:
            supervisor.tick()
        iperf.switch_off()
