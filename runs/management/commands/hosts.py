"""`./manage.py hosts [NAME]`: the inventory as a table, one host in full, or either as JSON. `hosts import FILE`: hosts
from a file, however many."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError
from django.db.models import QuerySet
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hosts import bulk, expectations, importing
from hosts.models import Health, Host
from runs.desk import following, host_data, json_text, overview, terminal
from runs.desk.following import EXIT_USAGE
from runs.desk.overview import Standing
from runs.profiles import load as profiles

LIMIT = 100
"""How many hosts a table lists, unless asked for more."""
SHOWN = 50
"""How many errors of a file are listed."""
_FILTERS = ("health", "state", "profile", "model", "tag")


class Command(BaseCommand):
    help = (
        "List the hosts, or show one: how it stands, what it should be made of, its newest runs. `hosts import FILE` "
        "adds and changes hosts as a CSV or YAML file says: all of it is checked first, and nothing is written where a "
        "row is wrong. To complete an interrupted import, import the same file again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("host", nargs="?", default="", help="name of a host, to show it in full; or `import`")
        parser.add_argument("file", nargs="?", type=Path, help="with `import`: a file as the administration exports it")
        parser.add_argument("--dry-run", action="store_true", help="with `import`: say what would be done")
        parser.add_argument(
            "--format",
            choices=["csv", "yaml"],
            help="with `import`: else .csv is CSV, all others YAML",
        )
        parser.add_argument("--health", choices=Health.values, default="")
        parser.add_argument("--state", choices=list(overview.STATES), default="")
        parser.add_argument("--profile", default="", help="only hosts with this profile")
        parser.add_argument("--model", default="", help="only hosts that are expected to be of this model")
        parser.add_argument("--tag", default="", help="only hosts with this tag")
        parser.add_argument("--limit", type=int, help=f"how many at most, 0 for all ({LIMIT}; with --json all)")
        parser.add_argument("--json", action="store_true", help="a JSON list, or one object for one host")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["file"] is not None or options["dry_run"] or options["format"]:
            return self._import(**options)
        if options["host"]:
            return self._show(_one(options["host"]), as_json=options["json"])
        chosen = host_data.chosen(**{name: options[name] for name in _FILTERS})
        self._list(chosen, options["limit"], as_json=options["json"])

    def _show(self, standing: Standing, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(host_data.in_full(standing.host), indent=1))
        else:
            terminal.console(self.stdout).print(_page(standing))

    def _list(self, hosts: QuerySet[Host], limit: int | None, *, as_json: bool) -> None:
        most = limit if limit is not None else 0 if as_json else LIMIT
        bound = most if most > 0 else None
        if as_json:
            for piece in json_text.of_list(host_data.of_hosts(hosts, bound)):
                self.stdout.write(piece, ending="")
            self.stdout.write("")
            return
        shown = list(overview.standings(hosts, bound))
        console = terminal.console(self.stdout)
        console.print(_table(shown))
        if more := terminal.how_many_more(hosts.count(), len(shown), "hosts"):
            console.print(more)

    def _import(self, host: str, file: Path | None, dry_run: bool, json: bool, **options: Any) -> None:
        if host != "import" or file is None:
            raise CommandError("usage: hosts import FILE [--dry-run] [--format csv|yaml]", returncode=EXIT_USAGE)
        try:
            dataset = importing.read(file, options["format"] or ("csv" if file.suffix == ".csv" else "yaml"))
            self.stderr.write(f"{file}: {len(dataset):,} hosts; checking them")
            plan = importing.plan(dataset, overview.busy_hosts, frozenset(profiles.titles()))
        except importing.ImportRefused as refused:
            raise CommandError(_refusal(refused.reasons)) from None
        would = "would be " if dry_run else ""
        words = f"{plan.new:,} {would}added, {plan.changed:,} {would}changed, {plan.same:,} stay as they are"
        if not dry_run:
            self._write(plan, f"Imported by a command from {file.name[:100]}")
        self.stdout.write(words)

    def _write(self, plan: importing.Plan, how: str) -> None:
        written, total = 0, len(plan.hosts)
        try:
            for written in importing.write(plan, overview.busy_hosts, how):
                self.stderr.write(f"{written:,} of {total:,} written")
        except (bulk.Changed, OperationalError, KeyboardInterrupt) as error:
            reason = "you interrupted it" if isinstance(error, KeyboardInterrupt) else error
            raise CommandError(
                f"stopped after {written:,} of {total:,}: {reason}. Import the same file again: what is written is "
                "left alone then"
            ) from None


def _refusal(reasons: Sequence[str]) -> str:
    more = [f"and {len(reasons) - SHOWN:,} more"] if len(reasons) > SHOWN else []
    return "\n".join(["nothing was imported:", *reasons[:SHOWN], *more])


def _one(name: str) -> Standing:
    found = next(overview.standings(Host.objects.filter(name=name)), None)
    if found is None:
        raise CommandError(terminal.unknown_host(name), returncode=following.EXIT_USAGE)
    return found


def _table(standings: list[Standing]) -> RenderableType:
    table = terminal.table("Host", "Health", "State", "Run", "Last verdict", "Profile", "Model", "MAC")
    for standing in standings:
        host, run = standing.host, standing.run
        table.add_row(
            Text(host.name, "bold" if host.enabled else "dim"),
            terminal.word(host.health),
            Text(run.state if run and standing.state in ("held", "vetting", "queued") else standing.state),
            str(run.pk) if run else "",
            terminal.word(standing.last_verdict),
            terminal.plain(host.profile_name),
            terminal.plain(host.model),
            Text(", ".join(host.mac_list) if host.enabled else "disabled", "" if host.enabled else "dim"),
        )
    return table if standings else Text(terminal.no_host())


def _page(standing: Standing) -> RenderableType:
    host = standing.host
    facts = Table.grid(padding=(0, 2))
    for label, value in (
        ("health", terminal.word(host.health)),
        ("enabled", "yes" if host.enabled else "no: its MACs get no answer and no run can start"),
        ("MAC", ", ".join(host.mac_list) or "none"),
        ("woken by", host.get_wake_method_display()),
        ("profile", terminal.plain(host.profile_name)),
        ("tags", terminal.plain(host.tags) if host.tags else "none"),
        ("may be written", ", ".join(host.writable_disks.values_list("serial", flat=True)) or "no disk"),
        ("notes", terminal.plain(host.notes)),
    ):
        facts.add_row(Text(label, "dim"), value)
    spec = expectations.to_yaml(host.expected) or "no expected spec: no run can pass\n"
    runs = terminal.runs_table(_runs(host), with_host=False)
    return Group(Text(host.name, "bold"), facts, Text("\nexpected", "dim"), terminal.plain(spec), runs)


def _runs(host: Host) -> list[Any]:
    return list(overview.newest_first(host.runs.all())[: host_data.NEWEST_RUNS])
