"""The database stays compact without being stopped."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection

from runs import retention
from runs.database import compact

ROOT = Path(__file__).resolve().parents[2]
MIB = 2**20

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL has its autovacuum"),
]


@pytest.fixture
def much_was_removed(monkeypatch: pytest.MonkeyPatch) -> compact.Space:
    """4 MiB of rows, all but a few of them deleted."""
    monkeypatch.setattr(compact, "KEPT_BYTES", MIB)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS bulky (id INTEGER PRIMARY KEY, data BLOB)")
        cursor.execute("DELETE FROM bulky")
        cursor.executemany("INSERT INTO bulky (data) VALUES (%s)", [(b"x" * 4000,)] * 1024)
        cursor.execute("DELETE FROM bulky WHERE id % 100 <> 0")
    return compact.space()


def integrity() -> str:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA integrity_check")
        return str(cursor.fetchone()[0])


def test_a_new_database_can_give_space_back() -> None:
    assert compact.space().can_shrink


def test_a_sweep_gives_back_what_is_too_much_and_keeps_some(much_was_removed: compact.Space) -> None:
    before = much_was_removed
    assert before.too_much > MIB
    retention.sweep_a_while()
    after = compact.space()
    assert after.too_much < after.page
    assert after.size <= before.size - before.too_much + before.page
    assert after.free >= MIB - after.page
    assert integrity() == "ok"


def test_a_dry_run_says_how_much_and_does_nothing(much_was_removed: compact.Space) -> None:
    out = StringIO()
    call_command("janitor", "--dry-run", stdout=out)
    assert f"{much_was_removed.too_much} bytes of the database would go back" in out.getvalue()
    assert compact.space() == much_was_removed


def test_it_stops_when_its_time_is_over_or_the_database_is_locked(
    much_was_removed: compact.Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert compact.give_back(until=0) == 0

    def locked(pages: int) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr(compact, "step", locked)
    assert compact.give_back() == 0
    assert compact.space() == much_was_removed


def test_a_database_of_an_earlier_version_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compact, "_INCREMENTAL", 99)
    assert (compact.space().can_shrink, compact.space().too_much, compact.give_back()) == (False, 0, 0)


CHILD = """
import django, sys
django.setup()
from django.db import connection
from runs.database import compact
compact.KEPT_BYTES = 0
with connection.cursor() as cursor:
    cursor.execute("CREATE TABLE bulky (id INTEGER PRIMARY KEY, data BLOB)")
    cursor.executemany("INSERT INTO bulky (data) VALUES (%s)", [(b"x" * 4000,)] * 4096)
    cursor.execute("DELETE FROM bulky WHERE id % 10 <> 0")
real = compact.step
def step(pages):
    print("step", flush=True)
    real(pages)
compact.step = step
compact.STEP_PAGES = 16
compact.give_back()
"""


def test_a_process_that_is_killed_in_the_middle_leaves_every_row(tmp_path: Path) -> None:
    file = tmp_path / "vetting.sqlite3"
    environment = {
        **os.environ, "DATABASE_URL": f"sqlite:///{file}", "VETTING_DATA_DIR": str(tmp_path),
        "VETTING_SECRET_KEY": "k" * 40, "DJANGO_SETTINGS_MODULE": "vetting.settings",
    }  # fmt: skip
    with subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE, cwd=ROOT, env=environment) as child:
        assert child.stdout is not None
        assert [child.stdout.readline() for _ in range(7)] == [b"step\n"] * 7
        child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL
    with sqlite3.connect(file) as left:
        assert left.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert left.execute("SELECT count(*), total(length(data)) FROM bulky").fetchone() == (409, 409 * 4000)
        (pages,), (free,) = left.execute("PRAGMA page_count"), left.execute("PRAGMA freelist_count")
        assert free > (1000,) and (2000,) < pages < (4096,), "it was in the middle"
