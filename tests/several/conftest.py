"""A PostgreSQL server for one file of tests, and a database with all tables for each test."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from urllib.parse import unquote

import environ
import psycopg
import pytest
from django.core.management import call_command
from django.db import connection, connections
from django.db.utils import load_backend

from tests.runs import postgresql

_numbers = count(1)


def connect(url: str, **other: object) -> None:
    """Django's connection goes to this database. `other` are settings that differ from the address."""
    found = environ.Env.db_url_config(url)
    host = unquote(str(found["HOST"]))
    given = {**connections["default"].settings_dict, "OPTIONS": {}, **found, "HOST": host, **other}
    connections["default"] = load_backend(given["ENGINE"]).DatabaseWrapper(given, "default")


@pytest.fixture(scope="module")
def migrated(django_db_blocker: object) -> Iterator[str]:
    """The address of a database with all tables and no rows of ours."""
    programs = postgresql.binaries()
    if programs is None:
        pytest.skip("no PostgreSQL server here: apt-get install postgresql")
    with postgresql.server(programs) as url, django_db_blocker.unblock():  # type: ignore[attr-defined]
        before = connections["default"]
        connect(url)
        call_command("migrate", verbosity=0)
        connection.close()
        connections["default"] = before
        yield url


@pytest.fixture
def shared_database(migrated: str, django_db_blocker: object) -> Iterator[str]:
    """Django's connection goes to a copy of it; so does that of each `Machine`."""
    name = f"copy_{next(_numbers)}"
    with psycopg.connect(f"{migrated.rpartition('/')[0]}/postgres", autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}" TEMPLATE vetting'.encode())
    before = connections["default"]
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        connect(url := f"{migrated.rpartition('/')[0]}/{name}")
        try:
            yield url
        finally:
            connection.close()
            connections["default"] = before
