"""The tests that are marked `postgresql`, once more on a PostgreSQL server of their own, in a process of their own. It
takes no NUL, no half of a character, no number and no date beyond its columns, where SQLite takes nearly everything."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

from tests.runs import postgresql

ROOT = Path(__file__).parents[2]
LEAST = 60

pytestmark = [pytest.mark.slow, pytest.mark.skipif(connection.vendor == "postgresql", reason="this is the call on it")]


def marked() -> list[str]:
    """The files with such a test: to collect all others takes longer than to run these."""
    files = (ROOT / "tests").rglob("test_*.py")
    return sorted(str(path) for path in files if "mark.postgresql" in path.read_text() and path != Path(__file__))


def test_what_is_marked_holds_on_postgresql() -> None:
    if (programs := postgresql.binaries()) is None:
        pytest.skip("no PostgreSQL server here: apt-get install postgresql")
    with postgresql.server(programs) as url:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "postgresql", *marked()],
            cwd=ROOT, env={**os.environ, "DATABASE_URL": url}, capture_output=True, text=True,
        )  # fmt: skip
    told = done.stdout + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert done.returncode == 0 and passed and int(passed[1]) >= LEAST, told
    assert "skipped" not in done.stdout, told
