"""All rows as they are at one moment, to come back to: of SQLite by its backup, of PostgreSQL table by table. With
SQLite's rows go the files in the machine's memory, which say when the round and the web process were last seen."""

from __future__ import annotations

import shutil
import sqlite3
from typing import Any, Protocol

from django.conf import settings
from django.db import connection

from runs.files import volatile


class Snapshot(Protocol):
    def restore(self) -> None: ...


def take() -> Snapshot:
    connection.ensure_connection()
    return Whole() if connection.vendor == "sqlite" else Tables()


class Whole:
    """SQLite's whole file, in memory."""

    def __init__(self) -> None:
        self.rows = sqlite3.connect(":memory:")
        connection.connection.backup(self.rows)

    def restore(self) -> None:
        connection.ensure_connection()
        self.rows.backup(connection.connection)
        connection.close()  # it saw no commit, so what it has read is still remembered (runs/database/commits.py)
        shutil.rmtree(volatile.path(settings.PID_DIR), ignore_errors=True)


class Tables:
    """Numbers that were given stay given: whoever compares counts rows, not keys. Needs a superuser, who may leave
    foreign keys unchecked meanwhile."""

    def __init__(self) -> None:
        names = connection.introspection.table_names()
        self._names = sorted(name for name in names if name != "django_migrations")
        self._rows = {name: rows for name in self._names if (rows := self._copied(name))}

    def restore(self) -> None:
        connection.close()  # one that gets too old is opened anew in the middle of a call, with statements of its own
        connection.ensure_connection()
        with _server().cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
            cursor.execute("; ".join(f'DELETE FROM "{name}"' for name in self._names))
            for name, rows in self._rows.items():
                with cursor.copy(f'COPY "{name}" FROM STDIN') as copy:
                    copy.write(rows)
            cursor.execute("SET session_replication_role = DEFAULT")

    def _copied(self, name: str) -> bytes:
        with _server().cursor() as cursor, cursor.copy(f'COPY "{name}" TO STDOUT') as copy:
            return b"".join(map(bytes, copy))


def _server() -> Any:
    """psycopg's own connection: what is done here is no statement of the call."""
    return connection.connection
