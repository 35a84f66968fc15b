"""The database as one file, at one moment, and back: SQLite by its backup API, PostgreSQL by pg_dump and pg_restore."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from django.db import connection

from vetting.backups import archive

Rows = Callable[[str], list[tuple[Any, ...]]]
_PAGES_AT_ONCE = 2048
_OLD_SCHEMA = "before_restore"


class DatabaseProblem(Exception):
    """The database can't be copied or put in place; the message says why and what helps."""


class Database(ABC):
    """`kind` and `member` name it in an archive."""

    kind: str
    member: str

    @abstractmethod
    def snapshot(self, path: Path, progress: archive.Progress) -> AbstractContextManager[Rows]:
        """Write the database as of one moment to `path`; yields a function that queries this same copy. Raises
        DatabaseProblem."""

    @abstractmethod
    def replaced(self, path: Path) -> AbstractContextManager[None]:
        """A context in which `path` replaces the database; if it fails, the old database is put back."""


class Sqlite(Database):
    kind, member = "sqlite", archive.SQLITE

    @contextmanager
    def snapshot(self, path: Path, progress: archive.Progress) -> Iterator[Rows]:
        """Copy in one read transaction: it blocks no writer, and no writer makes it start again."""
        source = sqlite3.connect(f"file:{self._file()}?mode=rw", uri=True, isolation_level=None)
        target = sqlite3.connect(path, isolation_level=None)
        path.chmod(0o600)

        def told(status: int, remaining: int, total: int) -> None:
            progress(self.member, (total - remaining) * 4096)

        try:
            source.execute("BEGIN")
            source.execute("SELECT count(*) FROM sqlite_master").fetchone()
            source.backup(target, pages=_PAGES_AT_ONCE, progress=told, sleep=0)
            target.execute("PRAGMA journal_mode=DELETE")
        except sqlite3.Error as error:
            raise DatabaseProblem(f"SQLite: {error}") from None
        finally:
            source.close()
            target.close()
        yield lambda query: _asked(path, query)

    @contextmanager
    def replaced(self, path: Path) -> Iterator[None]:
        self._refuse_damaged(path)
        connection.close()
        files = [Path(f"{self._file()}{suffix}") for suffix in ("", "-wal", "-shm")]
        aside = [(old, old.with_name(f"{old.name}.replaced")) for old in files]
        for old, kept in aside:
            kept.unlink(missing_ok=True)
            if old.exists():
                old.rename(kept)
        try:
            path.replace(self._file())
            yield
        except BaseException:
            connection.close()
            for old, kept in aside:
                old.unlink(missing_ok=True)
                if kept.exists():
                    kept.rename(old)
            raise
        for _, kept in aside:
            kept.unlink(missing_ok=True)

    def _file(self) -> str:
        return str(connection.settings_dict["NAME"])

    def _refuse_damaged(self, path: Path) -> None:
        try:
            found = _asked(path, "PRAGMA quick_check(3)")
        except sqlite3.Error as error:
            raise DatabaseProblem(f"the archive's database is damaged: {error}") from None
        if found != [("ok",)]:
            raise DatabaseProblem(f"the archive's database is damaged: {found[0][0]}")


def _asked(path: Path, query: str) -> list[tuple[Any, ...]]:
    copy = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return copy.execute(query).fetchall()
    finally:
        copy.close()


class Postgresql(Database):
    kind, member = "postgresql", archive.POSTGRESQL

    @contextmanager
    def snapshot(self, path: Path, progress: archive.Progress) -> Iterator[Rows]:
        """pg_dump reads the same snapshot as the queries."""
        asking = connection.copy()
        try:
            number = _rows(asking, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", "SELECT pg_export_snapshot()")[0][
                0
            ]
            progress(self.member, 0)
            self._run("pg_dump", "--format=custom", f"--snapshot={number}", f"--file={path}")
            progress(self.member, path.stat().st_size)
            yield lambda query: _rows(asking, query)
        finally:
            asking.close()  # else its locks stay

    @contextmanager
    def replaced(self, path: Path) -> Iterator[None]:
        """The present tables stay in another schema until the restore has succeeded."""
        self._say(f"DROP SCHEMA IF EXISTS {_OLD_SCHEMA} CASCADE")
        self._say(f"ALTER SCHEMA public RENAME TO {_OLD_SCHEMA}", "CREATE SCHEMA public")
        try:
            self._run(
                "pg_restore", "--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error", str(path)
            )
            yield
        except BaseException:
            self._say("DROP SCHEMA public CASCADE", f"ALTER SCHEMA {_OLD_SCHEMA} RENAME TO public")
            raise
        self._say(f"DROP SCHEMA {_OLD_SCHEMA} CASCADE")

    def _say(self, *statements: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute("; ".join(statements))
        connection.close()  # prepared statements and caches refer to the old tables

    def _run(self, program: str, *options: str) -> None:
        words, extra = connection.client.settings_to_cmd_args_env(connection.settings_dict, list(options))
        *words, name = words[1:]
        argv = [program, *words, f"--dbname={name}"]
        if program == "pg_restore":  # its file comes last
            argv = [program, *words[:-1], f"--dbname={name}", words[-1]]
        try:
            done = subprocess.run(
                argv, capture_output=True, text=True, env={**os.environ, **(extra or {})}, check=False
            )
        except FileNotFoundError:
            raise DatabaseProblem(f"{program} is not installed: apt install postgresql-client") from None
        if done.returncode:
            raise DatabaseProblem(f"{program}: {done.stderr.strip()[-2000:]}")


def _rows(asking: Any, *statements: str) -> list[tuple[Any, ...]]:
    """Execute the statements; return the rows of the last one."""
    with asking.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def current() -> Database:
    return Postgresql() if connection.vendor == "postgresql" else Sqlite()
