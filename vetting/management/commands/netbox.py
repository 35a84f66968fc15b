"""`./manage.py netbox [read|write]`: hosts and expected parts from NetBox, results back to it."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError

from hosts import bulk
from hosts.command_line import command
from runs.desk import overview
from runs.profiles import load as profiles
from vetting.commandline import EXIT_USAGE
from vetting.netbox import reading, writing
from vetting.netbox.client import Client, NetBoxProblem
from vetting.netbox.config import NetBox
from vetting.netbox.devices import Found, fetch

MOST_PROBLEMS = 5
"""After so many devices that could not be written, the others are not tried."""


class Command(BaseCommand):
    help = (
        "Compare the inventory with NetBox: `read` takes hosts, MACs, serial numbers and expected parts from it, "
        "`write` gives it serial numbers, the verdict of each host's newest run and a journal entry; without either, "
        "both. Nothing is changed without --apply. docs/netbox.md says what is set where."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", nargs="?", choices=["read", "write"], help="one direction (default: both)")
        parser.add_argument("--apply", action="store_true", help="do it; else it is only shown")
        parser.add_argument("--host", default="", help="this host only")
        parser.add_argument(
            "--replace-parts",
            action="store_true",
            help="with `read`: NetBox's lists of parts take the place of those of the expected specs",
        )

    def handle(self, *args: Any, what: str | None, host: str, **options: Any) -> None:
        config: NetBox = settings.VETTING.netbox
        if not config.is_on:
            text = "vetting.yaml has no netbox.url: docs/netbox.md says what to set"
            raise CommandError(text, returncode=EXIT_USAGE)
        if not settings.NETBOX_TOKEN:
            raise CommandError(f"netbox: {settings.NETBOX_TOKEN_PROBLEM}", returncode=EXIT_USAGE)
        try:
            with Client(config, settings.NETBOX_TOKEN) as client:
                found = fetch(client, config, host)
                self.stdout.write(f"{config.url}: {len(found.devices):,} devices")
                if what != "read":
                    self._write(client, config, found, apply=options["apply"])
                if what != "write":
                    self._read(config, found, apply=options["apply"], replace=options["replace_parts"])
        except NetBoxProblem as problem:
            raise CommandError(str(problem)) from None
        if not options["apply"]:
            self.stdout.write(f"Nothing was changed: `{command('netbox --apply')}` does it.")

    def _read(self, config: NetBox, found: Found, *, apply: bool, replace: bool) -> None:
        plan = reading.plan(
            found.devices, config.url.rstrip("/"), overview.busy_hosts, frozenset(profiles.titles()), replace=replace
        )
        for told in plan.told:
            self.stdout.write(f"{'+' if told.before.new else '~'} {told.host.name}")
            for change in told:
                self.stdout.write(f"    {change.field}")
                self.stdout.write("".join(f"      {line}\n" for line in change.lines), ending="")
        self._listed("Left alone:", [*found.left_alone, *plan.left_alone])
        self._listed("Stated otherwise in the expected spec, which stays (--replace-parts):", plan.differs)
        if apply:
            self._apply(plan)
        would = "" if apply else "would be "
        self.stdout.write(
            f"From NetBox: {plan.new:,} {would}added, {len(plan.told) - plan.new:,} {would}changed, "
            f"{plan.same:,} stay as they are"
        )

    def _apply(self, plan: reading.Plan) -> None:
        written = 0
        try:
            for written in reading.write(plan, overview.busy_hosts):
                self.stderr.write(f"{written:,} of {len(plan.told):,} written")
        except (bulk.Changed, OperationalError) as error:
            raise CommandError(f"stopped after {written:,} of {len(plan.told):,}: {error}. Call it again") from None

    def _write(self, client: Client, config: NetBox, found: Found, *, apply: bool) -> None:
        changed, same = 0, 0
        problems: list[str] = []
        for device in found.devices:
            run = writing.newest(device.host)
            if run is None or len(problems) >= MOST_PROBLEMS:
                continue
            try:
                back = writing.plan(client, config, device, run)
                if apply:
                    writing.apply(client, back)
            except NetBoxProblem as problem:
                problems.append(f"{device.host}: {problem}")
                continue
            changed, same = changed + (not back.is_empty), same + back.is_empty
            if not back.is_empty:
                self.stdout.write(f"~ device {device.id} ({device.host}, run {run.pk})")
                self.stdout.write("".join(f"      {line}\n" for line in back.lines()), ending="")
        would = "" if apply else "would be "
        self.stdout.write(f"To NetBox: {changed:,} {would}changed, {same:,} stay as they are")
        if problems:
            raise CommandError("\n".join(["not written to NetBox:", *problems]))

    def _listed(self, title: str, lines: list[str]) -> None:
        if lines:
            self.stdout.write(title)
            self.stdout.write("".join(f"  {line}\n" for line in lines), ending="")
