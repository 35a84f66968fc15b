"""What the tests on whole machines share: the rack's command, and the proof that nothing is left of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.rack import netns
from tests.rack.orchestrator import ROOT

MACHINES = ROOT / "tests" / "rack" / "machines"


@dataclass(frozen=True)
class Ran:
    status: int
    line: dict[str, Any]
    progress: str


def run_rack(file: Path) -> Ran:
    """`python -m tests.rack FILE`, to its end."""
    done = subprocess.run([sys.executable, "-m", "tests.rack", str(file)], cwd=ROOT, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    return Ran(done.returncode, json.loads(lines[-1]) if lines else {}, done.stderr)


def marked_pids(mark: str) -> set[int]:
    """Every process that was started, by whomever, from a test with this mark in its environment."""
    pids = set()
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark.encode() in (entry / "environ").read_bytes():
                pids.add(int(entry.name))
        except OSError:  # it has ended meanwhile
            continue
    return pids


def left_behind() -> list[str]:
    """Namespaces of racks that have ended; other racks may run beside a test."""
    ours = f"{netns.NAME_PREFIX}{os.getpid()}-"
    return [each.name for each in netns.all_of_racks() if netns.owner_is_gone(each) or each.name.startswith(ours)]


@pytest.fixture(autouse=True)
def mark(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Around every test on a machine: whatever it starts carries its mark, and nothing of that is left."""
    if os.geteuid():
        pytest.skip("whole machines need root: network namespaces and taps")
    mark = f"VETTING_RACK_TEST={uuid.uuid4()}"
    monkeypatch.setenv(*mark.split("="))
    yield mark
    assert left_behind() == []
    assert marked_pids(mark) == set()
