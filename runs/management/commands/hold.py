"""`./manage.py hold RUN --key-file F`: the private key of a held host, once."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from hosts import file_errors
from runs import hold, lifecycle
from runs.desk import following, terminal
from runs.models import Run
from runs.transition import Refused

STDOUT = "-"


class Command(BaseCommand):
    help = "Write the private key of a held run to a file (it is handed out once) and print the ssh command."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("run", type=int, help="number of the held run")
        parser.add_argument(
            "--key-file",
            required=True,
            metavar="FILE",
            help="where to write the key; must not exist yet. -: to standard output, the ssh command to standard error",
        )
        parser.add_argument(
            "--new-key", action="store_true", help="make another key first; the old one then no longer works"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        run = Run.objects.filter(pk=options["run"]).first()
        if run is None:
            raise CommandError(terminal.unknown_run(options["run"]), returncode=following.EXIT_USAGE)
        path: str = options["key_file"]
        with self._opened(path) as file:
            try:
                if options["new_key"]:
                    lifecycle.renew_key(run, "command line")
                file.write(lifecycle.take_private_key(run, "command line"))
            except Refused as error:
                _discard(path)
                raise CommandError(str(error), returncode=following.EXIT_USAGE) from None
        session = hold.current(run)
        command = hold.ssh_command(session, "" if path == STDOUT else path) if session else ""
        out = self.stderr if path == STDOUT else self.stdout
        out.write(command or f"the host has not said yet where to log in: see the page of run {run.pk}", str)

    def _opened(self, path: str) -> AbstractContextManager[Any]:
        """Create the file before the key is taken: an unwritable file must not use up the key."""
        if path == STDOUT:
            return nullcontext(self.stdout)
        try:
            return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w")
        except OSError as error:
            message = f"{file_errors.in_words(error, path)}; the key was not taken"
            raise CommandError(message, returncode=following.EXIT_USAGE) from None


def _discard(path: str) -> None:
    if path != STDOUT:
        with suppress(OSError):
            os.unlink(path)
