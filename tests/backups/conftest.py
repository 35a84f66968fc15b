"""A system of the test's own, so that its database can be replaced: on SQLite a copy of the test database's file, on
PostgreSQL a server that is thrown away."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import environ
import pytest
from django.core.management import call_command
from django.db import connection, connections
from django.db.utils import load_backend

from runs import outages
from tests.runs import postgresql


@pytest.fixture
def own_system(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data in a directory of its own, and nobody at work on it."""
    settings.DATA_DIR = tmp_path
    monkeypatch.setattr(outages, "web_answers", lambda: False)


@pytest.fixture
def own_sqlite(own_system: None, tmp_path: Path, transactional_db: None) -> Iterator[None]:
    mine = tmp_path / "vetting.sqlite3"
    with closing(sqlite3.connect(connection.settings_dict["NAME"])) as source, closing(sqlite3.connect(mine)) as target:
        source.backup(target)
    with sqlite_at(mine):
        yield


@contextmanager
def sqlite_at(path: Path) -> Iterator[None]:
    """Django's connection goes to this file."""
    before = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = str(path)
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = before


@pytest.fixture
def own_postgresql(own_system: None, transactional_db: None) -> Iterator[None]:
    programs = postgresql.binaries()
    if programs is None:
        pytest.skip("no PostgreSQL server here: apt-get install postgresql")
    with postgresql.server(programs) as url, postgresql_at(url):
        call_command("migrate", verbosity=0)
        yield


@contextmanager
def postgresql_at(url: str) -> Iterator[None]:
    """Django's connection goes to this database."""
    before = connections["default"]
    given = {**before.settings_dict, "OPTIONS": {}, **environ.Env.db_url_config(url)}
    connections["default"] = load_backend(given["ENGINE"]).DatabaseWrapper(given, "default")
    try:
        yield
    finally:
        connection.close()
        connections["default"] = before
