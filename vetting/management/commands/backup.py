"""`./manage.py backup FILE`: database, logs and reports in one archive, at any time."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from hosts import file_errors
from vetting.backups import making
from vetting.backups.databases import DatabaseProblem
from vetting.backups.showing import shown


class Command(BaseCommand):
    help = "Write one archive with database, logs, reports and vetting.yaml. Runs may go on meanwhile."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="the archive to write, e.g. /mnt/backup/vetting.tar.gz")
        parser.add_argument(
            "--with-secrets",
            action="store_true",
            help="add the secrets (secret key, BMC passwords, tokens) as plain text",
        )

    def handle(self, *args: Any, file: Path, with_secrets: bool, **options: Any) -> None:
        try:
            with shown(self.stdout, "Backup") as progress:
                made = making.make(file.absolute(), with_secrets=with_secrets, progress=progress)
        except (making.CannotBackUp, DatabaseProblem) as error:
            raise CommandError(f"no backup was made: {error}") from None
        except OSError as error:
            raise CommandError(f"no backup was made: {file_errors.in_words(error, file)}") from None
        for name in made.left_out:
            self.stderr.write(f"left out, since it is not there: {name}")
        size_mb = made.size / 1e6
        self.stdout.write(f"{made.path}: {made.runs} runs, {made.files} files, {size_mb:.1f} MB.")
        if with_secrets:
            self.stdout.write("It holds secrets: keep it as safe as secrets.env.")
