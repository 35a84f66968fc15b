"""`./manage.py export RUN KIND`: a run in the format of another program."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from runs.desk import following, terminal
from runs.files import atomic
from runs.models import Run
from runs.reports import exports


class Command(BaseCommand):
    help = "Write a run in the format of another program: " + ", ".join(
        f"{export.name} ({export.title})" for export in exports.EXPORTS
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("run", type=int, help="number of a run")
        parser.add_argument("kind", choices=list(exports.BY_NAME))
        parser.add_argument("--output", metavar="FILE", help="default: a name with run and host; - is standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        run = Run.objects.filter(pk=options["run"]).select_related("host").first()
        if run is None:
            raise CommandError(terminal.unknown_run(options["run"]), returncode=following.EXIT_USAGE)
        export = exports.BY_NAME[options["kind"]]
        data = export.make(run, exports.content_of(run))
        if options["output"] == "-":
            sys.stdout.buffer.write(data)
            return
        path = Path(options["output"] or export.file_name(run))
        try:
            atomic.write(path, data)
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}") from None
        self.stdout.write(f"{path}: {len(data)} bytes")
