"""Two web processes that handle the same calls at the same time (`two_webs`), in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.runs import postgresql

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_same_calls_in_two_web_processes_count_once(kind: str) -> None:
    programs = postgresql.binaries()
    if kind == "postgresql" and programs is None:
        pytest.skip("no PostgreSQL server here: apt-get install postgresql")
    with postgresql.server(programs) if kind == "postgresql" and programs else nullcontext("") as url:
        command = [sys.executable, "-m", "tests.agentapi.two_webs", url]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
