"""`./manage.py measurements RUN [--csv]`: every single value that the sensors of a run's host measured."""

from __future__ import annotations

import csv
import os
from argparse import ArgumentParser
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from hosts.formats import as_text
from runs.desk import following, terminal
from runs.files import logs as logfiles
from runs.measurements import reading
from runs.measurements.reading import Measured
from runs.models import Run

COLUMNS = ("time", "kind", "component", "name", "value", "unit")
Row = tuple[str, str, str, str, str, str]


class Command(BaseCommand):
    help = (
        "Print every single value that was measured during a run, one a line: time (UTC), kind and name of the "
        "component, what was measured, value and unit. The database has them packed, so SQL can't read them. They are "
        "read and written piece by piece, however many there are."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("run", type=int, help="number of a run")
        parser.add_argument("--csv", action="store_true", help="as CSV, with a line of headings")

    def handle(self, *args: Any, **options: Any) -> None:
        run = options["run"]
        if not Run.objects.filter(pk=run).exists():
            raise CommandError(terminal.unknown_run(run), returncode=following.EXIT_USAGE)
        rows = map(_row, reading.every(run))
        try:
            written = self._write_csv(rows) if options["csv"] else self._write_lines(rows)
            self.stdout.flush()
        except BrokenPipeError:  # e.g. `| head` has closed the pipe: Python must not write to it at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.stdout.fileno())
            return
        if not written:
            self.stderr.write(f"run {run} has no single values: {_why(run)}")

    def _write_csv(self, rows: Iterable[Row]) -> int:
        """A text that a spreadsheet would take for a formula is made harmless, as in the inventory's CSV."""
        written, writer = 0, csv.writer(_Lines(self.stdout), lineterminator="\n")
        writer.writerow(COLUMNS)
        for at, kind, component, name, value, unit in rows:
            writer.writerow((at, as_text(kind), as_text(component), as_text(name), value, as_text(unit)))
            written += 1
        return written

    def _write_lines(self, rows: Iterable[Row]) -> int:
        written = 0
        for at, kind, component, name, value, unit in rows:
            self.stdout.write(f"{at}  {kind} {component}  {name}  {value} {unit}".rstrip())
            written += 1
        return written


class _Lines:
    """What csv writes to: Django's output would add a line break to each piece."""

    def __init__(self, out: Any) -> None:
        self._out = out

    def write(self, text: str) -> None:
        self._out.write(text, ending="")


def _row(one: Measured) -> Row:
    """In the order of COLUMNS. Names come from the hardware: without control characters."""
    at = datetime.fromtimestamp(one.at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    kind, component, name = map(logfiles.clean, (one.component_kind, one.component, one.name))
    return at, kind, component, name, repr(one.value), logfiles.clean(one.unit)


def _why(run_id: int) -> str:
    if reading.has_series(run_id):
        return "they were removed (measurements.keep_every_value_days); the charts still have each minute"
    return "nothing was measured"
