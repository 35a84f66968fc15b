"""The same history in the tables that the first schema had on PostgreSQL comes to this version without loss."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import connection, models
from django.db.migrations.executor import MigrationExecutor

from hosts.models import Host
from tests import rows
from tests.backups.conftest import own_system, postgresql_at  # noqa: F401  fixture
from tests.runs import postgresql
from tests.upgrade.first_schema import COPIED, FILE, OURS, make_tables
from tests.upgrade.test_from_the_first_schema import make_files, measurements
from vetting import doctor

Content = dict[str, tuple[list[str], list[tuple[Any, ...]]]]

pytestmark = pytest.mark.slow


@pytest.fixture
def old(own_system: None, transactional_db: None) -> Iterator[None]:  # noqa: F811
    if (programs := postgresql.binaries()) is None:
        pytest.skip("no PostgreSQL server here: apt-get install postgresql")
    with postgresql.server(programs) as url, postgresql_at(url):
        make_tables()
        with closing(sqlite3.connect(":memory:")) as kept:
            kept.executescript(FILE.read_text(encoding="utf-8"))
            kept.row_factory = sqlite3.Row
            fill(kept)
        yield


def fill(kept: sqlite3.Connection) -> None:
    """Every row, through the models of that time."""
    loader = MigrationExecutor(connection).loader
    first = [(app, "0001_initial") for app in OURS]
    state = loader.project_state([*first, *loader.graph.leaf_nodes("auth")])
    found = [model for model in state.apps.get_models() if model._meta.db_table.startswith(COPIED)]
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # no foreign keys meanwhile
        for model in found:
            rows = kept.execute(f'SELECT * FROM "{model._meta.db_table}"')
            model._base_manager.bulk_create([model(**values(model, row)) for row in rows])
        cursor.execute("SET session_replication_role = DEFAULT")
        for statement in connection.ops.sequence_reset_sql(no_style(), found):
            cursor.execute(statement)


def values(model: type[models.Model], row: sqlite3.Row) -> dict[str, Any]:
    return {field.attname: value(field, row[field.column]) for field in model._meta.concrete_fields}


def value(field: Any, stored: Any) -> Any:
    """SQLite has JSON and times as text, the latter in UTC."""
    if isinstance(field, models.JSONField):
        return None if stored is None else json.loads(stored)
    if isinstance(field, models.DateTimeField) and stored is not None:
        return field.to_python(f"{stored}+00:00")
    return field.to_python(stored)


def content(like: Content | None = None) -> Content:
    """Columns and rows of our tables; of those columns alone that `like` has, where it is given."""
    found: Content = {}
    with connection.cursor() as cursor:
        for table in sorted(connection.introspection.table_names(cursor)):
            if table.startswith(COPIED) and (like is None or table in like):
                described = connection.introspection.get_table_description(cursor, table)
                columns = like[table][0] if like else [column.name for column in described]
                names = ", ".join(f'"{column}"' for column in columns)
                cursor.execute(f"SELECT {names} FROM {table} ORDER BY 1")
                found[table] = columns, cursor.fetchall()
    return found


def kept_measurements(before: Content) -> Counter[tuple[Any, ...]]:
    """The rows of the first schema, with times to the millisecond; they are not in `before` any more."""
    columns, rows = before.pop("runs_measurement")
    named = [dict(zip(columns, row, strict=True)) for row in rows]
    words = ("component_kind", "component", "name", "value", "unit")
    return Counter(
        (row["run_id"], f"{row['at']:%Y-%m-%d %H:%M:%S.%f}"[:23], *(row[word] for word in words)) for row in named
    )


def test_an_upgrade_on_postgresql_loses_nothing_and_goes_on_counting(old: None) -> None:
    before = content()
    assert {table for table, (_, rows) in before.items() if rows} >= {
        "runs_run", "runs_runevent", "runs_measurement", "runs_stagerun", "hosts_host", "auth_user",
    }  # fmt: skip
    measured = kept_measurements(before)
    assert before.pop("notifications_notice")[1] == [], "it has lost a column since"
    call_command("migrate", verbosity=0)
    make_files()
    assert doctor.violations(again_after_s=0) == []
    assert measured and measurements() == measured
    assert content(like=before) == before
    newest = Host.objects.latest("pk").pk
    assert rows.a_host("node-new", "52:54:00:00:09:99").pk > newest
