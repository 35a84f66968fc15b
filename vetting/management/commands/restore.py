"""`./manage.py restore FILE`: restore a backup, migrate it to this version, and check the result."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from hosts import file_errors
from runs.invariants import Scope
from runs.wording import remedies
from vetting import doctor
from vetting.backups import archive, restoring
from vetting.backups.databases import DatabaseProblem
from vetting.backups.showing import shown


class Command(BaseCommand):
    help = (
        "Replace database, logs and reports by those of a backup. Web, worker and the keeper's timer must be stopped."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="an archive of `backup`")
        parser.add_argument("--yes", action="store_true", help="replace what this system has; it is backed up first")

    def handle(self, *args: Any, file: Path, yes: bool, **options: Any) -> None:
        try:
            with shown(self.stdout, "Restore") as progress:
                done = restoring.restore(file.absolute(), yes=yes, progress=progress)
        except (restoring.CannotRestore, archive.BadArchive, DatabaseProblem, DatabaseError) as error:
            raise CommandError(f"nothing was restored: {error}") from None
        except OSError as error:
            raise CommandError(f"nothing was restored: {file_errors.in_words(error, file)}") from None
        self.stdout.write(
            f"Restored {done.manifest['runs']} runs of {done.manifest['made_at'][:19]} UTC (version "
            f"{done.manifest['version']})."
        )
        if done.safety_copy:
            self.stdout.write(f"What was here before: {done.safety_copy}")
        for note in done.notes:
            self.stdout.write(f"Note: {note}")
        self._examine()

    def _examine(self) -> None:
        """Nothing runs now, so a violation needs no second check."""
        broken = doctor.violations(Scope(), again_after_s=0)
        for one in broken:
            self.stderr.write(f"{f'run {one.run}: ' if one.run else ''}{one.what} ({one.invariant})")
        if broken:
            raise CommandError(
                f"the restored data breaks invariants: `{remedies.command('doctor --all')}` explains them"
            )
        self.stdout.write(f"doctor finds nothing wrong with the data. Next: {remedies.start_all()}")
