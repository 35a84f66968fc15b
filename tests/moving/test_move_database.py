"""`move_database` takes every row of a SQLite installation to PostgreSQL, or none."""

from __future__ import annotations

import hashlib
import io
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import environ
import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.db.utils import load_backend

from hosts.models import Host
from runs import lifecycle
from runs.models import Job, Run, RunEvent
from tests import factories
from vetting import atwork
from vetting.moving import sides

pytestmark = pytest.mark.slow


@contextmanager
def on(url: str) -> Iterator[None]:
    """Django's connection goes to this database."""
    before = connections["default"]
    given = {**before.settings_dict, "OPTIONS": {}, **environ.Env.db_url_config(url)}
    connections["default"] = load_backend(given["ENGINE"]).DatabaseWrapper(given, "default")
    try:
        yield
    finally:
        connection.close()
        connections["default"] = before


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def rows() -> dict[str, list[Any]]:
    return {model.__name__: list(model.objects.order_by("pk").values()) for model in (Host, Run, RunEvent)}


def counts_of(tables: Iterable[str]) -> dict[str, int]:
    with connection.cursor() as cursor:
        found = {}
        for name in tables:
            cursor.execute(f'SELECT count(*) FROM "{name}"')
            found[name] = cursor.fetchone()[0]
    return found


def tables_in(url: str) -> list[str]:
    with psycopg.connect(url) as server:
        return sides.Target(server).what_is_there()


def refused(url: str) -> str:
    with pytest.raises(CommandError) as error:
        call_command("move_database", url, stdout=io.StringIO())
    return str(error.value)


def test_every_row_of_every_table_comes_over(installation: Path, empty: str) -> None:
    before, file = rows(), digest(installation)
    with closing(sqlite3.connect(installation)) as source:
        names = [name for (name,) in source.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        counts = {name: source.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}

    call_command("move_database", empty, stdout=(said := io.StringIO()))

    counts = {name: count for name, count in counts.items() if sides.ours(name)}
    assert f"Moved {sum(counts.values()):,} rows of {len(counts)} tables" in said.getvalue()
    assert digest(installation) == file
    empty_here = [name for name, count in counts.items() if not count]
    assert [name for name in empty_here if name.startswith(("runs_", "hosts_", "notifications_", "restapi_"))] == []
    with on(empty):
        assert rows() == before
        assert counts_of(counts) == counts
        run = lifecycle.start_run(factories.HostFactory(name="new"), profile_name="quick")
        assert run.pk == Run.objects.latest("pk").pk
        highest = Job.objects.latest("pk").pk
        assert Job.objects.create(call="c", title="c", limit_s=1).pk == highest + 2, "a number is not given twice"
        assert "uses PostgreSQL already" in refused(empty)
    assert "is not empty, it has " in refused(empty)


def test_a_dry_run_does_everything_and_leaves_nothing(installation: Path, empty: str) -> None:
    call_command("move_database", empty, "--dry-run", stdout=(said := io.StringIO()))
    assert "compared runs_run: " in said.getvalue()
    assert "A move would work" in said.getvalue()
    assert tables_in(empty) == []


def test_a_move_that_fails_at_its_end_leaves_nothing(installation: Path, empty: str) -> None:
    with closing(sqlite3.connect(installation, isolation_level=None)) as file:
        file.execute("UPDATE runs_finding SET run_id = 99999 WHERE id = (SELECT min(id) FROM runs_finding)")
    assert "99999" in refused(empty)
    assert tables_in(empty) == []


def test_what_can_be_seen_before_is_refused_before(
    installation: Path, empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(empty, autocommit=True) as server:
        server.execute("CREATE TABLE mine (id int)")
    assert "the database is not empty, it has mine" in refused(empty)
    assert "must begin with postgres://" in refused("sqlite:////tmp/x")
    assert "127.0.0.1" in refused("postgres://nobody@127.0.0.1:1/none")
    factories.worker_at_work()
    monkeypatch.setattr(atwork, "sleep", lambda seconds: factories.worker_at_work())  # the next round
    assert "stop them first" in refused(empty)
    assert tables_in(empty) == ["mine"]
