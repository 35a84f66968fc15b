"""`./manage.py hold RUN --key-file F`: the private key of a held host, once."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from runs import hold, lifecycle
from runs.models import Run
from runs.transition import Refused


class Command(BaseCommand):
    help = "Write the private key of a held run to a file (it is handed out once) and print the ssh command."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("run", type=int, help="number of the held run")
        parser.add_argument("--key-file", type=Path, required=True, help="where to write the key; must not exist yet")
        parser.add_argument(
            "--new-key", action="store_true", help="make another key first; the old one opens nothing then"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        run = Run.objects.filter(pk=options["run"]).first()
        if run is None:
            raise CommandError(f"there is no run {options['run']}", returncode=4)
        path: Path = options["key_file"]
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}; the key was not taken", returncode=4) from None
        try:
            if options["new_key"]:
                lifecycle.renew_key(run, "command line")
            key = lifecycle.take_private_key(run, "command line")
        except Refused as error:
            os.close(handle)
            path.unlink()
            raise CommandError(str(error), returncode=4) from None
        with os.fdopen(handle, "w") as file:
            file.write(key)
        session = hold.current(run)
        self.stdout.write(f"ssh -i {path} -p {session.port} root@{session.address}")
