"""Writes `first_schema.sql`: a database of the first schema (the 0001 of each of our apps) with a run that passed, one
that is held, and one that goes on. Run once; the file is kept as it is.

    python -m tests.upgrade.first_schema
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

FILE = Path(__file__).with_name("first_schema.sql")
OURS = ("hosts", "runs", "notifications")
COPIED = (*OURS, "auth_user")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"VETTING_DATA_DIR": folder, "VETTING_TESTING": "1", "VETTING_SECRET_KEY": "k" * 40}
        os.environ["DJANGO_SETTINGS_MODULE"] = "vetting.settings"
        import django

        django.setup()
        new, old = Path(folder) / "vetting.sqlite3", Path(folder) / "old.sqlite3"
        _fill()
        _first_tables(old)
        with closing(sqlite3.connect(old)) as connection:
            _copy(connection, new)
            FILE.write_text("\n".join(connection.iterdump()) + "\n", encoding="utf-8")


def _fill() -> None:
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    from tests import factories
    from tests.invariants.conftest import make_runs

    runs = make_runs()
    factories.UserFactory()
    factories.measure(runs.passed, 0.2)
    runs.passed.sensor_seq = 1
    runs.passed.save(update_fields=["sensor_seq"])


def _first_tables(path: Path) -> None:
    from tests.backups.conftest import sqlite_at

    with sqlite_at(path):
        make_tables()


def make_tables() -> None:
    """In the database of Django's connection."""
    from django.core.management import call_command

    for app in OURS:
        call_command("migrate", app, "0001", verbosity=0)
    for app in ("auth", "contenttypes", "admin", "sessions", "django_q", "axes"):
        call_command("migrate", app, verbosity=0)


def _copy(old: sqlite3.Connection, new: Path) -> None:
    old.execute("ATTACH ? AS new", (str(new),))
    for (table,) in old.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall():
        if table.startswith(COPIED):
            columns = ", ".join(f'"{row[1]}"' for row in old.execute(f"PRAGMA main.table_info({table})"))
            old.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM new.{table}")
    old.commit()
    old.execute("DETACH new")


if __name__ == "__main__":
    main()
