"""`./manage.py report RUN`: the report of a run as a file, or have it written again."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from hosts import file_errors
from runs import lifecycle
from runs.desk import terminal
from runs.desk.following import EXIT_USAGE
from runs.files import atomic
from runs.models import Run
from runs.reports import exports, write
from runs.transition import Refused


class Command(BaseCommand):
    help = "Write the report of a run to a file: a page to read, print or mail, or the same as JSON."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("run", type=int, help="number of the run")
        parser.add_argument("--json", action="store_true", help="the JSON document instead of the page")
        parser.add_argument("--output", metavar="FILE", help="default: a name with run and host; - is standard output")
        parser.add_argument("--again", action="store_true", help="write the report again: the worker does it")

    def handle(self, *args: Any, **options: Any) -> None:
        run = Run.objects.filter(pk=options["run"]).select_related("host").first()
        if run is None:
            raise CommandError(terminal.unknown_run(options["run"]), returncode=EXIT_USAGE)
        if options["again"]:
            self._again(run)
            return
        content = exports.content_of(run)
        text = write.to_json(content) if options["json"] else write.to_html(content)
        if options["output"] == "-":
            sys.stdout.buffer.write(text.encode())
            return
        path = Path(options["output"] or f"vetting-run-{run.pk}-{run.host}.{'json' if options['json'] else 'html'}")
        try:
            atomic.write(path, text.encode())
        except OSError as error:
            raise CommandError(file_errors.in_words(error, path)) from None
        self.stdout.write(f"{path}: the report of run {run.pk}, verdict {run.verdict or 'none yet'}")

    def _again(self, run: Run) -> None:
        try:
            lifecycle.ask_report(run, "command line")
        except Refused as error:
            raise CommandError(str(error), returncode=EXIT_USAGE) from None
        self.stdout.write("The report is written again, as a rule within a few seconds.")
