"""`./manage.py machines`: the machines that work on this database, and which of them leads."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django_q.models import OrmQ, Schedule

from hosts.nearest import did_you_mean
from runs.bench import service_state
from runs.database import clock
from runs.models import Lease
from vetting import leadership
from vetting.commandline import EXIT_USAGE


class Command(BaseCommand):
    help = "List the machines that work on this database: when each did its last round, and which one leads."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--forget", metavar="NAME", help="remove a machine that does not come back from this list")

    def handle(self, *args: Any, forget: str | None, **options: Any) -> None:
        if forget:
            self._forget(forget)
        leader = Lease.objects.filter(name=Lease.ROUND).values_list("holder", flat=True).first() or ""
        now = clock.read()
        for lease in Lease.objects.filter(name__startswith=Lease.round_of("")).order_by("name"):
            name = lease.name.removeprefix(Lease.round_of(""))
            last = service_state.last_round(lease.name)
            age_s = (now - last).total_seconds() if last else float("inf")
            says = f"round {age_s:.0f} s ago" if age_s != float("inf") else "no round yet"
            state = "silent" if age_s > service_state.SILENT_AFTER_S else "at work"
            leads = ", leads" if leader.startswith(f"{name}/") else ""
            self.stdout.write(f"{name}: {state}, {says}{leads}{', this one' if name == settings.MACHINE else ''}")

    def _forget(self, name: str) -> None:
        lease = Lease.objects.filter(name=Lease.round_of(name)).first()
        if lease is None:
            rounds = Lease.objects.filter(name__startswith=Lease.round_of("")).values_list("name", flat=True)
            meant = did_you_mean(name, [one.removeprefix(Lease.round_of("")) for one in rounds])
            raise CommandError(f"no machine is called {name}{meant}", returncode=EXIT_USAGE)
        if lease.until and (lease.until > clock.read() or leadership.is_shown(lease)):
            raise CommandError(f"{name} is at work: stop its worker first", returncode=EXIT_USAGE)
        lease.delete()
        queue = f"vetting {name}"
        OrmQ.objects.filter(key=queue).delete()
        Schedule.objects.filter(cluster=queue).delete()
