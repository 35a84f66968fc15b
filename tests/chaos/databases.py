"""SQLite's file or a PostgreSQL server's database: made, locked, cut off."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

from tests.chaos.bench import ROOT
from tests.runs import postgresql

SQLITE = "sqlite:///"


class Source:
    """Where each campaign gets an empty database from that has its tables."""

    def __init__(self, folder: Path, server: str = "") -> None:
        self._server = server
        self._template = folder / "template.sqlite3"
        folder.mkdir(parents=True, exist_ok=True)
        _migrate(folder, server or f"{SQLITE}{self._template}")

    def fresh(self, data: Path, seed: int) -> str:
        if not self._server:
            shutil.copy(self._template, data / "vetting.sqlite3")
            return f"{SQLITE}{data / 'vetting.sqlite3'}"
        name = f"seed_{seed}"
        with psycopg.connect(self._at("postgres"), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE vetting')
        return self._at(name)

    def _at(self, name: str) -> str:
        return f"{self._server.rpartition('/')[0]}/{name}"


@contextlib.contextmanager
def source(kind: str, folder: Path) -> Iterator[Source]:
    if kind == "sqlite":
        yield Source(folder)
        return
    programs = postgresql.binaries()
    if programs is None:
        raise SystemExit("no PostgreSQL server here: apt-get install postgresql")
    with postgresql.server(programs) as address:
        yield Source(folder, address)


def lock(address: str, seconds: float) -> None:
    """As somebody with a long transaction does."""
    with contextlib.suppress(sqlite3.Error, psycopg.Error):
        if address.startswith(SQLITE):
            connection = sqlite3.connect(address.removeprefix(SQLITE), isolation_level=None, timeout=20)
            with contextlib.closing(connection):
                connection.execute("BEGIN IMMEDIATE")
                time.sleep(seconds)
                connection.execute("ROLLBACK")
            return
        with psycopg.connect(address) as server:
            server.execute("LOCK TABLE runs_run, runs_lease IN EXCLUSIVE MODE")
            time.sleep(seconds)
            server.rollback()


def drop_connections(address: str) -> str:
    if address.startswith(SQLITE):
        return "left out: a file has none"
    with contextlib.suppress(psycopg.Error), psycopg.connect(address, autocommit=True) as server:
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    return ""


def _migrate(folder: Path, address: str) -> None:
    env = {
        **os.environ,
        "DATABASE_URL": address,
        "VETTING_DATA_DIR": str(folder),
        "VETTING_SECRET_KEY": "k" * 40,
        "DJANGO_SETTINGS_MODULE": "vetting.settings",
    }
    subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity", "0"], cwd=ROOT, env=env, check=True)
