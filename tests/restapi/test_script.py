"""The script of docs/api.md, as it stands there, against a real server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from runs.models import Run
from tests import factories, rows
from tests.restapi.caller import Caller
from tests.talker import EXPECTED
from vetting import roles

PAGE = Path(__file__).resolve().parents[2] / "docs/api.md"
SCRIPT = re.search(r"<!-- script: .*?-->\n```python\n(.*?)```", PAGE.read_text(), re.S)[1]
LONGEST = 30


@pytest.fixture(autouse=True)
def _roles(transactional_db: None) -> None:
    roles.give_all()  # the flush of the test before took the groups


def begun(url: str, token: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "VETTING_URL": url, "VETTING_TOKEN": token, "EVERY_S": "0.1"}
    words = [sys.executable, "-c", SCRIPT, "node-1", "new", "disk"]
    return subprocess.Popen(words, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_it_is_short() -> None:
    assert len([line for line in SCRIPT.splitlines() if line.strip()]) <= LONGEST


@pytest.mark.parametrize(("verdict", "status"), [("passed", 0), ("failed", 1), ("incomplete", 2)])
def test_it_starts_a_run_waits_and_ends_with_the_verdict(live_server: Any, verdict: str, status: int) -> None:
    rows.a_host(expected=EXPECTED)
    script = begun(live_server.url, Caller(roles.OPERATOR, "read", "start").token.secret)
    assert script.stdout is not None
    line = script.stdout.readline()
    run = Run.objects.get()
    assert (line, run.repair) == (f"run {run.pk} is queued\n", "new disk")
    if verdict == "failed":
        factories.FindingFactory(stage_run=factories.StageRunFactory(run=run))
    Run.objects.update(state="Completed", verdict=verdict, ended_at=timezone.now())
    out, err = script.communicate(timeout=60)
    assert (script.returncode, err) == (status, "")
    assert out.splitlines()[0] == verdict and ("2 pending sectors: replace_part" in out) is (verdict == "failed")


def test_a_refusal_says_what_to_do(live_server: Any) -> None:
    rows.a_host(expected=EXPECTED, enabled=False)
    script = begun(live_server.url, Caller(roles.OPERATOR, "read", "start").token.secret)
    out, err = script.communicate(timeout=60)
    assert script.returncode == 1 and out == "" and "disabled" in err and "look at" in err
