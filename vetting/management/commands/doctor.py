"""`./manage.py doctor [--json]`: check the data and the bench. The exit status is 0 if nothing was found."""

from __future__ import annotations

import getpass
import json
from argparse import ArgumentParser
from itertools import groupby
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.text import Text

from hosts.nearest import did_you_mean
from runs.desk import terminal
from runs.invariants import Violation, kinds, repairs
from runs.wording import remedies
from vetting import doctor
from vetting.benchstate import Found
from vetting.commandline import EXIT_USAGE


class Command(BaseCommand):
    help = (
        "Say what is wrong with the data and with this machine as a bench, with the remedy of each. Exit status 0 if "
        "nothing was found, else 1. Changes nothing without --repair NAME --yes."
    )
    requires_system_checks = ()  # it reports them itself

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object: violations and problems")
        newest = f"by default the newest {kinds.NEWEST} and all that are live or held"
        parser.add_argument("--all", action="store_true", help=f"check every run; {newest}")
        names = ", ".join(repairs.ALL)
        parser.add_argument("--repair", default="", metavar="NAME", help=f"show what a repair would change: {names}")
        parser.add_argument("--yes", action="store_true", help="with --repair: do it")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["repair"]:
            self._repair(options["repair"], yes=options["yes"])
            return
        broken, found = doctor.examine(every_run=options["all"])
        if options["json"]:
            self.stdout.write(json.dumps(doctor.as_data(broken, found), indent=1))
        else:
            _show(terminal.console(self.stdout), broken, found, every_run=options["all"])
        if broken or found:
            raise SystemExit(1)

    def _repair(self, name: str, *, yes: bool) -> None:
        if name not in repairs.ALL:
            there = ", ".join(repairs.ALL)
            what = f"there is no repair {name!r}; there are {there}{did_you_mean(name, repairs.ALL)}"
            raise CommandError(what, returncode=EXIT_USAGE)
        steps = list(repairs.ALL[name].plan())
        self.stdout.write(repairs.ALL[name].does)
        for step in steps:
            if yes:
                step.take(getpass.getuser())
            self.stdout.write(f"{'done' if yes else 'would'}: {step.what}")
        if not steps:
            self.stdout.write("Nothing to repair.")
        elif not yes:
            self.stdout.write(f"Nothing was changed: `{remedies.command(f'doctor --repair {name} --yes')}` does it.")


def _show(console: Console, broken: list[Violation], found: list[Found], *, every_run: bool) -> None:
    for says, group in groupby(broken, key=lambda one: one.says):
        _violation(console, says, list(group))
    if found:
        console.print(Text("Problems of the bench", "bold"))
    for problem in found:
        console.print(Text("  ✗ ", "red"), terminal.plain(problem.what), sep="")
        console.print(terminal.plain(f"    {problem.who}: {problem.fix}"), style="dim")
    looked = "every run" if every_run else f"the newest {kinds.NEWEST} runs, and all that are live or held"
    count = f"{len(broken)} violations, {len(found)} problems" if broken or found else "Nothing found"
    console.print(f"{count}. Looked at: {looked}.")


def _violation(console: Console, says: str, rows: list[Violation]) -> None:
    console.print(Text(f"Violated: {says}", "bold red"))
    for row in rows:
        console.print(terminal.plain(f"  {f'run {row.run}: ' if row.run else ''}{row.what}"))
    console.print(terminal.plain(f"  {rows[0].means}"), style="dim")
    if rows[0].repair:
        console.print(f"  Repair: {remedies.command(f'doctor --repair {rows[0].repair}')}")
    console.print()
