"""The two databases of a move: SQLite's file, which is only read, and the PostgreSQL database."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from vetting.moving.kinds import KINDS, Convert, Kind

Row = tuple[Any, ...]
Changes = list[tuple[int, Convert]]
_ROWS_AT_ONCE = 5000


class CannotMove(Exception):
    """Nothing was moved; the message says why and what to do."""


@dataclass(frozen=True)
class Column:
    name: str
    kind: Kind

    @property
    def quoted(self) -> str:
        return quoted(self.name)


@dataclass(frozen=True)
class Table:
    """`key` has the columns by which both sides are read in one order."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[Column, ...]

    @property
    def quoted(self) -> str:
        return quoted(self.name)

    @property
    def names(self) -> str:
        return ", ".join(column.quoted for column in self.columns)


class Source:
    """SQLite's file, opened for reading only. Everything is read as of one moment."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None)
        self._version = self._changes()
        self._file.execute("BEGIN")
        self._file.execute("SELECT count(*) FROM sqlite_master").fetchone()  # the moment

    def close(self) -> None:
        self._file.close()

    def was_written(self) -> bool:
        """Whether another process has written to it since it was opened. The reading ends with this."""
        self._file.execute("COMMIT")
        return self._changes() != self._version

    def tables(self) -> set[str]:
        return {str(name) for (name,) in self._ask("SELECT name FROM sqlite_master WHERE type = 'table'") if ours(name)}

    def columns(self, table: str) -> set[str]:
        return {str(row[1]) for row in self._ask(f"PRAGMA table_info({quoted(table)})")}

    def migrations(self) -> set[Row]:
        return set(self._ask("SELECT app, name FROM django_migrations"))

    def count(self, table: str) -> int:
        return int(self._ask(f"SELECT count(*) FROM {quoted(table)}")[0][0])

    def last_number(self, table: str) -> int:
        """The highest number that the table's key ever had: those of deleted rows are not given again."""
        if not self._ask("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'"):
            return 0
        found = self._ask("SELECT seq FROM sqlite_sequence WHERE name = ?", table)
        return int(found[0][0]) if found else 0

    def rows(self, table: Table) -> Iterator[Row]:
        return self._file.execute(f"SELECT {table.names} FROM {table.quoted} ORDER BY {_order(table)}")

    def row_at(self, table: Table, place: int) -> str:
        """The key of the row at this place, counted from 1, in words."""
        keys = ", ".join(column.quoted for column in table.key)
        asked = f"SELECT {keys} FROM {table.quoted} ORDER BY {_order(table)} LIMIT 1 OFFSET ?"
        found = self._ask(asked, place - 1)
        return key_in_words(table, found[0]) if found else f"row {place}"

    def _changes(self) -> int:
        return int(self._ask("PRAGMA data_version")[0][0])

    def _ask(self, query: str, *values: Any) -> list[Row]:
        return self._file.execute(query, values).fetchall()


class Target:
    """The PostgreSQL database, in the transaction of the connection that is given."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def what_is_there(self) -> list[str]:
        """Tables, views and sequences of anybody."""
        kinds = "relkind IN ('r', 'p', 'v', 'm', 'S', 'f')"
        return self._names(f"SELECT relname FROM pg_class WHERE {kinds} AND {_HERE}")

    def tables(self) -> list[str]:
        kinds = "relkind IN ('r', 'p') AND NOT relispartition"
        return self._names(f"SELECT relname FROM pg_class WHERE {kinds} AND {_HERE}")

    def table(self, name: str) -> Table:
        """The columns of a table and its primary key; without a key, all columns in its place."""
        asked = (
            "SELECT column_name, udt_name FROM information_schema.columns WHERE table_schema = current_schema() "
            "AND table_name = %s AND is_generated = 'NEVER' ORDER BY ordinal_position"
        )
        columns = {column: _column(name, column, kind) for column, kind in self.ask(asked, name)}
        key = self.ask(
            "SELECT attname FROM pg_index, unnest(indkey) WITH ORDINALITY AS part(number, place), pg_attribute "
            "WHERE indisprimary AND indrelid = %s::regclass AND attrelid = indrelid AND attnum = number ORDER BY place",
            quoted(name),
        )
        return Table(name, tuple(columns.values()), tuple(columns[one] for (one,) in key) or tuple(columns.values()))

    def migrations(self) -> set[Row]:
        return set(self.ask("SELECT app, name FROM django_migrations"))

    def copy_in(self, table: Table, rows: Iterator[Row]) -> None:
        """Raises psycopg.Error."""
        convert = changes(column.kind.copied for column in table.columns)
        with self._connection.cursor() as cursor, cursor.copy(f"COPY {table.quoted} ({table.names}) FROM STDIN") as to:
            for row in rows:
                to.write_row(converted(convert, row))

    def rows(self, table: Table) -> Iterator[Row]:
        asked = ", ".join(column.kind.asked.format(column.quoted) for column in table.columns)
        with self._connection.cursor(name="rows_of_a_move") as cursor:
            cursor.itersize = _ROWS_AT_ONCE
            cursor.execute(f"SELECT {asked} FROM {table.quoted} ORDER BY {_order(table, collated=True)}")
            yield from cursor

    def ask(self, query: str, *values: Any) -> list[Row]:
        with self._connection.cursor() as cursor:
            cursor.execute(query.encode(), values or None)
            return cursor.fetchall()

    def say(self, statement: str) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(statement.encode())

    def _names(self, query: str) -> list[str]:
        return sorted(str(name) for (name,) in self.ask(query))


_HERE = "relnamespace = current_schema()::regnamespace"


def quoted(name: str) -> str:
    return f'"{name}"'


def ours(name: str) -> bool:
    """Not one of SQLite's own tables."""
    return not re.match(r"sqlite_", name)


def changes(convert: Iterable[Convert | None]) -> Changes:
    """Which columns are converted, and how."""
    return [(place, one) for place, one in enumerate(convert) if one is not None]


def converted(convert: Changes, row: Row) -> list[Any]:
    values = list(row)
    for place, one in convert:
        if values[place] is not None:
            values[place] = one(values[place])
    return values


def key_in_words(table: Table, values: Row) -> str:
    return ", ".join(f"{column.name} {value}" for column, value in zip(table.key, values, strict=True))


def _column(table: str, name: str, kind: str) -> Column:
    if kind not in KINDS:
        raise CannotMove(f"{table}.{name} has the type {kind}, which this command can't move: please report it")
    return Column(name, KINDS[kind])


def _order(table: Table, *, collated: bool = False) -> str:
    """SQLite sorts text by its bytes; PostgreSQL does so when told to."""
    return ", ".join(one.quoted + (' COLLATE "C"' if collated and one.kind.is_text else "") for one in table.key)
