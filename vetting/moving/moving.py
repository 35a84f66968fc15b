"""The move itself: one transaction of PostgreSQL, so that a move that fails or is killed leaves nothing behind."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import environ
import psycopg
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import DatabaseError, connection, connections, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.utils import load_backend

from runs.wording import remedies
from vetting.atwork import why_at_work
from vetting.moving.sides import CannotMove, Row, Source, Table, Target, changes, converted, key_in_words

TELL_EVERY_ROWS = 20_000
Progress = Callable[[str, str, int, int], None]
"""Told the step ("copied", "compared"), the table, how many of its rows are done, and how many there are."""


@dataclass(frozen=True)
class Moved:
    """How many rows each table had. `left_out` are tables that this version does not know, all of them empty."""

    rows: dict[str, int]
    left_out: list[str]


class _DryRun(Exception):
    """Ends the transaction."""


def silent(step: str, table: str, done: int, rows: int) -> None:
    pass


def move(url: str, *, dry_run: bool = False, progress: Progress = silent) -> Moved:
    """Copy every row of this system's SQLite database to the empty PostgreSQL database at `url`.

    1. Refuse what can't work. 2. Make the tables. 3. Copy them one by one. 4. Check the foreign keys, and set the
    counters of the keys. 5. Compare both sides row by row. 6. Commit, unless SQLite was written to meanwhile.
    A dry run does all of it and then rolls back. Raises CannotMove; PostgreSQL is then empty as before.
    """
    path = _sqlite_file()
    if why := why_at_work():
        raise CannotMove(why)
    try:
        with closing(Source(path)) as source, _as_default(url):
            return _moved(source, dry_run=dry_run, progress=progress)
    except (sqlite3.Error, psycopg.Error, DatabaseError) as error:
        raise CannotMove(" ".join(str(error).split())) from error


def _sqlite_file() -> Path:
    if connection.vendor != "sqlite":
        raise CannotMove(f"this system uses {connection.display_name} already (DATABASE_URL): nothing to move")
    path = Path(str(connection.settings_dict["NAME"]))
    if not path.is_file():
        raise CannotMove(f"{path} does not exist: is VETTING_DATA_DIR right?")
    return path


@contextmanager
def _as_default(url: str) -> Iterator[None]:
    """Django's connection goes to `url` meanwhile: migrations then can't write to SQLite."""
    try:
        given: dict[str, Any] = environ.Env.db_url_config(url)
    except (environ.ImproperlyConfigured, ValueError, KeyError) as error:
        raise CannotMove(f"{url} is no address of a database: {error}") from None
    if given.get("ENGINE") != "django.db.backends.postgresql":
        raise CannotMove("the address must begin with postgres://, e.g. postgres://vetting@db.example.org/vetting")
    before = connections["default"]
    before.close()
    settings_dict = {**before.settings_dict, "OPTIONS": {}, **given}
    connections["default"] = load_backend(settings_dict["ENGINE"]).DatabaseWrapper(settings_dict, "default")
    try:
        yield
    finally:
        connection.close()
        connections["default"] = before
        ContentType.objects.clear_cache()


def _moved(source: Source, *, dry_run: bool, progress: Progress) -> Moved:
    try:
        with transaction.atomic():
            moved = _in_transaction(source, Target(connection.connection), progress)
            if dry_run:
                raise _DryRun
    except _DryRun:
        return moved
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # else the first queries are planned for empty tables
    return moved


def _in_transaction(source: Source, target: Target, progress: Progress) -> Moved:
    _refuse_a_used_target(target)
    call_command("migrate", verbosity=0, interactive=False)
    _refuse_another_schema(source, target)
    tables, left_out = _tables(source, target)
    target.say("SET CONSTRAINTS ALL IMMEDIATE")  # a table with checks that wait can't be emptied or altered
    target.say("TRUNCATE " + ", ".join(table.quoted for table in tables))  # what migrations have written
    keys = _without_foreign_keys(target)
    rows = {table.name: _copy(source, target, table, progress) for table in tables}
    for statement in keys:
        target.say(statement)
    for table in tables:
        _set_counter(source, target, table)
    for table in tables:
        _compare(source, target, table, progress, rows[table.name])
    if source.was_written():
        raise CannotMove(f"somebody wrote to {source.path} meanwhile: stop it ({remedies.stop_all()}), and move again")
    return Moved(rows, left_out)


def _refuse_a_used_target(target: Target) -> None:
    if there := target.what_is_there():
        named = ", ".join(there[:5]) + (f" and {len(there) - 5} more" if len(there) > 5 else "")
        raise CannotMove(f"the database is not empty, it has {named}: create a new one (createdb), and move into that")
    if (encoding := target.ask("SHOW server_encoding")[0][0]) != "UTF8":
        raise CannotMove(f"the database's encoding is {encoding}: create it with createdb --encoding UTF8 -T template0")


def _refuse_another_schema(source: Source, target: Target) -> None:
    """Migrations of apps that this version no longer has do not matter."""
    known = {app for app, _ in MigrationLoader(None).disk_migrations}
    here, there = source.migrations(), target.migrations()
    if missing := sorted(there - here):
        first, migrate = ".".join(missing[0]), remedies.command("migrate")
        raise CannotMove(f"SQLite lacks {len(missing)} migrations ({first}): run `{migrate}` first")
    if newer := sorted(one for one in here - there if one[0] in known):
        raise CannotMove(f"SQLite is of a newer version (it has {'.'.join(newer[0])}): install that version first")


def _tables(source: Source, target: Target) -> tuple[list[Table], list[str]]:
    """The tables to copy, and tables of SQLite that this version does not know and that are empty."""
    tables = [target.table(name) for name in target.tables()]
    here = source.tables()
    if missing := sorted({table.name for table in tables} - here):
        raise CannotMove(
            f"SQLite has no table {', '.join(missing)}: `{remedies.command('doctor')}` checks the database"
        )
    unknown = sorted(here - {table.name for table in tables})
    if full := [name for name in unknown if source.count(name)]:
        raise CannotMove(
            f"this version does not know what is in {', '.join(full)}: nothing may be lost, so nothing moves"
        )
    for table in tables:
        names = {column.name for column in table.columns}
        if differing := sorted(names ^ source.columns(table.name)):
            raise CannotMove(f"{table.name} has other columns in SQLite: {', '.join(differing)}")
    return tables, unknown


def _without_foreign_keys(target: Target) -> list[str]:
    """Drop the foreign keys, and return the statements that make and check them again. Else PostgreSQL would keep a
    note of every row in memory until the end."""
    asked = (
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE contype = 'f' AND connamespace = current_schema()::regnamespace ORDER BY 1, 2"
    )
    found = target.ask(asked)
    for table, name, _ in found:
        target.say(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
    return [f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {words}' for table, name, words in found]


def _copy(source: Source, target: Target, table: Table, progress: Progress) -> int:
    done, count = 0, source.count(table.name)

    def told() -> Iterator[Row]:
        nonlocal done
        for row in source.rows(table):
            yield row
            done += 1
            if done % TELL_EVERY_ROWS == 0 and done < count:
                progress("copied", table.name, done, count)

    try:
        target.copy_in(table, told())
    except psycopg.Error as error:
        raise CannotMove(_refused(source, table, error, done)) from error
    except (ValueError, TypeError, ArithmeticError) as error:
        raise CannotMove(f"{table.name}, {source.row_at(table, done + 1)}: {error}") from error
    progress("copied", table.name, done, count)
    return done


def _refused(source: Source, table: Table, error: psycopg.Error, sent: int) -> str:
    """PostgreSQL says which line it refused, and psycopg refuses a row before it is sent: say which row that is."""
    place = re.search(r"COPY .*, line (\d+)(?:, column (\w+))?", error.diag.context or "")
    where = f", {source.row_at(table, int(place[1]) if place else sent + 1)}"
    column = f", {place[2]}" if place and place[2] else ""
    detail = f" ({error.diag.message_detail})" if error.diag.message_detail else ""
    return f"{table.name}{where}{column}: {error.diag.message_primary or error}{detail}"


def _set_counter(source: Source, target: Target, table: Table) -> None:
    """The next row gets a number that no row ever had."""
    for column in table.key:
        counter = target.ask("SELECT pg_get_serial_sequence(%s, %s)", table.quoted, column.name)[0][0]
        if counter is not None:
            highest = target.ask(f"SELECT coalesce(max({column.quoted}), 0) FROM {table.quoted}")[0][0]
            last = max(highest, source.last_number(table.name))
            target.ask("SELECT setval(%s, %s, %s)", counter, max(last, 1), last > 0)


def _compare(source: Source, target: Target, table: Table, progress: Progress, count: int) -> None:
    """Row by row, in the order of the key."""
    here = changes(column.kind.here for column in table.columns)
    there = changes(column.kind.there for column in table.columns)
    done = 0
    for done, (old, new) in enumerate(zip_longest(source.rows(table), target.rows(table)), start=1):
        if old is None or new is None or converted(here, old) != converted(there, new):
            raise CannotMove(f"{table.name}, {_which(table, old or new)}: the row is not the same on both sides")
        if done % TELL_EVERY_ROWS == 0 and done < count:
            progress("compared", table.name, done, count)
    progress("compared", table.name, done, count)


def _which(table: Table, row: Row) -> str:
    values = dict(zip((column.name for column in table.columns), row, strict=True))
    return key_in_words(table, tuple(values[column.name] for column in table.key))
