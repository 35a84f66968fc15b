"""An installation in which nothing happens writes nothing to its disk: web process and worker for real, on SQLite."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runs.files import volatile
from tests.bench import idle

pytestmark = pytest.mark.slow
# Until what the start queued is done: the first sweep, and what django-q2 removes behind it.
SETTLES_S = 20.0
ROUNDS = 8


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Path]:
    """Its directory, with web and worker at work."""
    with idle.running(tmp_path):
        time.sleep(SETTLES_S)
        yield tmp_path


def rounds_end(directory: Path, count: int) -> None:
    """Wait until so many rounds were done."""
    (seen,) = volatile.path(directory / "run").glob("seen-round")
    for _ in range(count):
        before, deadline = seen.stat().st_mtime_ns, time.monotonic() + 60
        while seen.stat().st_mtime_ns == before:
            assert time.monotonic() < deadline, "no round was done"
            time.sleep(0.05)


def files_of(directory: Path) -> dict[str, tuple[int, int, int]]:
    facts = {path: path.stat() for path in directory.rglob("*")}
    return {str(path.relative_to(directory)): (one.st_ino, one.st_size, one.st_mtime_ns) for path, one in facts.items()}


def test_no_round_writes_to_the_database_or_to_any_file(installation: Path) -> None:
    with sqlite3.connect(f"file:{installation / 'vetting.sqlite3'}?mode=ro", uri=True, timeout=10) as database:
        version = "PRAGMA data_version"
        database.execute(version).fetchone()
        before = (database.execute(version).fetchone(), files_of(installation))
        rounds_end(installation, ROUNDS)
        after = (database.execute(version).fetchone(), files_of(installation))
    assert after == before
