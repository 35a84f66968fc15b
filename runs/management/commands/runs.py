"""`./manage.py runs [RUN]`: the newest runs as a table, one run in full, or either as JSON."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from hosts.models import Host
from runs.desk import following, overview, terminal, watching
from runs.files import logs as logfiles
from runs.machine import HELD, LIVE, State
from runs.models import Run, Verdict
from runs.querysets import RunQuerySet
from runs.reports import document as report_document


class Command(BaseCommand):
    help = "List the newest runs, or show one: its boot, stages, findings and verdict."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("run", nargs="?", type=int, help="number of a run, to show it in full")
        parser.add_argument("--host", default="", help="only runs of this host")
        parser.add_argument("--verdict", choices=[word for word in Verdict.values if word], default="")
        parser.add_argument("--state", choices=[state.value for state in State], default="")
        parser.add_argument("--live", action="store_true", help="only runs that go on or are held")
        parser.add_argument("--limit", type=int, default=20, help="how many at most, 0 for all (20)")
        parser.add_argument("--follow", action="store_true", help="of one run: until nothing more happens by itself")
        parser.add_argument("--log", action="store_true", help="of one run: the end of its log, too")
        parser.add_argument("--json", action="store_true", help="a JSON list; of one run the whole report")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["run"] is not None:
            run, ways = _one(options["run"]), {"as_json": options["json"], "with_log": options["log"]}
            if options["follow"]:
                watching.watch(run, self, **ways)
            else:
                self._show(run, **ways)
            return
        self._list(_chosen(options), options["limit"], as_json=options["json"])

    def _list(self, runs: RunQuerySet, limit: int, *, as_json: bool) -> None:
        shown = list(runs[:limit] if limit > 0 else runs)
        if as_json:
            self.stdout.write(json.dumps([overview.run_as_data(run) for run in shown], indent=1))
            return
        console = terminal.console(self.stdout)
        console.print(terminal.runs_table(shown))
        if more := terminal.how_many_more(runs.count(), len(shown), "runs"):
            console.print(more)

    def _show(self, run: Run, *, as_json: bool, with_log: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(report_document.document(run), indent=1))
            return
        console = terminal.console(self.stdout)
        console.print(following.picture(run))
        if with_log:
            console.print(terminal.log_lines(logfiles.tail(run.pk, 200, before=run.log_bytes).lines))


def _one(number: int) -> Run:
    run: Run | None = Run.objects.filter(pk=number).select_related("host").first()
    if run is None:
        raise CommandError(terminal.unknown_run(number), returncode=following.EXIT_USAGE)
    return run


def _chosen(options: dict[str, Any]) -> RunQuerySet:
    runs: RunQuerySet = Run.objects.all()
    if name := options["host"]:
        if not Host.objects.filter(name=name).exists():
            raise CommandError(terminal.unknown_host(name), returncode=following.EXIT_USAGE)
        runs = runs.filter(host__name=name)
    states = [*LIVE, *HELD] if options["live"] else [options["state"]] if options["state"] else []
    return overview.newest_first(runs, verdict=options["verdict"], states=states)
