"""The same on a real PostgreSQL, where an error ends the transaction and a connection can really be lost. One call, in
a process of its own; `make statements DATABASE=postgresql` does all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.runs import postgresql

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


def test_nothing_is_lost_or_doubled_on_postgresql() -> None:
    if postgresql.binaries() is None:
        pytest.skip("no PostgreSQL server here: apt-get install postgresql")
    words = ["--only", "hello", "--sample", "--database", "postgresql"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.statements", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and done.stdout.endswith(" 0 broken\n"), done.stdout + done.stderr
