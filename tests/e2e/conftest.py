"""What the tests on whole machines share: the rack's command, and the proof that nothing is left of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
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


def qemu_pids() -> set[int]:
    """Of every QEMU that a rack has started."""
    pids = set()
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and b"/bay/qmp.sock" in (entry / "cmdline").read_bytes():
                pids.add(int(entry.name))
        except OSError:  # it has ended meanwhile
            continue
    return pids


@pytest.fixture(autouse=True)
def _nothing_is_left_behind() -> Iterator[None]:
    """Around every test on a machine."""
    if os.geteuid():
        pytest.skip("whole machines need root: network namespaces and taps")
    namespaces, machines = set(netns.all_of_racks()), qemu_pids()
    yield
    assert set(netns.all_of_racks()) <= namespaces
    assert qemu_pids() <= machines
