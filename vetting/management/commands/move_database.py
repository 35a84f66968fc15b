"""`./manage.py move_database postgres://…`: copy this SQLite installation to an empty PostgreSQL database."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from runs.desk import terminal
from runs.wording import remedies
from vetting.moving import moving
from vetting.moving.sides import CannotMove

NEXT = """The SQLite file is as it was. Next:
1. write DATABASE_URL=<the address> into /etc/vetting/secrets.env (in a checkout: .env)
2. {doctor}
3. {start}
4. move the SQLite file to another place, so that nobody uses it by mistake"""


class Command(BaseCommand):
    help = (
        "Copy all rows of this SQLite installation to an empty PostgreSQL database, and compare every row afterwards. "
        "Web, worker and the keeper's timer must be stopped. The SQLite file is only read."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "address",
            help="postgres://USER@HOST/DATABASE; leave the password to ~/.pgpass or PGPASSWORD, since `ps` shows this",
        )
        parser.add_argument("--dry-run", action="store_true", help="do everything, then take it back")

    def handle(self, *args: Any, address: str, dry_run: bool, **options: Any) -> None:
        try:
            moved = moving.move(address, dry_run=dry_run, progress=self._progress())
        except CannotMove as error:
            raise CommandError(f"nothing was moved: {error}") from None
        if terminal.console(self.stdout).is_terminal:
            self.stdout.write("\r\x1b[K", ending="")
        for name in moved.left_out:
            self.stdout.write(f"Left out: {name}, which is empty and which this version does not know.")
        rows, tables = sum(moved.rows.values()), len(moved.rows)
        if dry_run:
            self.stdout.write(f"A move would work: {rows:,} rows of {tables} tables. The new database is empty again.")
            return
        self.stdout.write(f"Moved {rows:,} rows of {tables} tables; each is the same on both sides.")
        self.stdout.write(NEXT.format(doctor=remedies.command("doctor"), start=remedies.start_all()))

    def _progress(self) -> moving.Progress:
        """On a terminal a line that is written over; else a line for each table that is done."""
        over = terminal.console(self.stdout).is_terminal

        def tell(step: str, table: str, done: int, rows: int) -> None:
            if over:
                self.stdout.write(f"\r\x1b[K{step} {table}: {done:,} of {rows:,} rows", ending="")
            elif done == rows:
                self.stdout.write(f"{step} {table}: {rows:,} rows")
            self.stdout.flush()

        return tell
