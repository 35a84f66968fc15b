"""`./manage.py hosts [NAME]`: the inventory as a table, one host in full, or either as JSON."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hosts import expectations
from hosts.models import Health, Host
from runs import following, overview, terminal
from runs.overview import Standing


class Command(BaseCommand):
    help = "List the hosts, or show one: how it stands, what it should be made of, its newest runs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("host", nargs="?", default="", help="name of a host, to show it in full")
        parser.add_argument("--health", choices=Health.values, default="")
        parser.add_argument("--state", choices=list(overview.STATES), default="")
        parser.add_argument("--profile", default="", help="only hosts with this profile")
        parser.add_argument("--model", default="", help="only hosts that are expected to be of this model")
        parser.add_argument("--json", action="store_true", help="a JSON list, or one object for one host")

    def handle(self, *args: Any, **options: Any) -> None:
        console = terminal.console(self.stdout)
        if options["host"]:
            standing = _one(options["host"])
            text, picture = _in_full(standing), _page(standing)
        else:
            found = overview.standings(_chosen(options))
            text, picture = [overview.as_data(standing) for standing in found], _table(found)
        if options["json"]:
            self.stdout.write(json.dumps(text, indent=1))
        else:
            console.print(picture)


def _one(name: str) -> Standing:
    found = overview.standings(Host.objects.filter(name=name))
    if not found:
        raise CommandError(terminal.unknown_host(name), returncode=following.EXIT_USAGE)
    return found[0]


def _chosen(options: dict[str, Any]) -> Any:
    hosts = Host.objects.all()
    for option, field in (("health", "health"), ("profile", "profile_name")):
        hosts = hosts.filter(**{field: options[option]}) if options[option] else hosts
    hosts = overview.of_model(hosts, options["model"]) if options["model"] else hosts
    return overview.in_state(hosts, options["state"]) if options["state"] else hosts


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
    return table if standings else Text("no such host; `./manage.py hosts` lists all, the admin adds one")


def _in_full(standing: Standing) -> dict[str, Any]:
    host = standing.host
    return {
        **overview.as_data(standing),
        "notes": host.notes,
        "dmi_uuid": host.dmi_uuid,
        "expected": host.expected,
        "writable_disks": list(host.writable_disks.values_list("serial", flat=True)),
        "runs": [overview.run_as_data(run) for run in _runs(host)],
    }


def _page(standing: Standing) -> RenderableType:
    host = standing.host
    facts = Table.grid(padding=(0, 2))
    for label, value in (
        ("health", terminal.word(host.health)),
        ("enabled", "yes" if host.enabled else "no: its MACs get no answer and no run can start"),
        ("MAC", ", ".join(host.mac_list) or "none"),
        ("woken by", host.get_wake_method_display()),
        ("profile", terminal.plain(host.profile_name)),
        ("may be written", ", ".join(host.writable_disks.values_list("serial", flat=True)) or "no disk"),
        ("notes", terminal.plain(host.notes)),
    ):
        facts.add_row(Text(label, "dim"), value)
    spec = expectations.to_yaml(host.expected) or "no expected spec: no run can pass\n"
    runs = terminal.runs_table(_runs(host), with_host=False)
    return Group(Text(host.name, "bold"), facts, Text("\nexpected", "dim"), terminal.plain(spec), runs)


def _runs(host: Host) -> list[Any]:
    return list(overview.newest_first(host.runs.all())[:10])
