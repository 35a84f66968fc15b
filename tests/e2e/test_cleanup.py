"""Nothing outlives a rack run, however it ends. (The check itself is around every test here.)"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.conftest import MACHINES, left_behind, marked_pids
from tests.rack import warden
from tests.rack.orchestrator import ROOT

pytestmark = [pytest.mark.rack, pytest.mark.slow]
DEADLINE_S = 60


def start_and_wait_for_power(directory: Path) -> subprocess.Popen[str]:
    """A rack run whose machine has been switched on; started as a shell starts what ends in `&`."""
    command = [sys.executable, "-m", "tests.rack", str(MACHINES / "healthy-bios.yaml"), "--work", str(directory)]
    ignored = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        rack = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, ignored)
    assert rack.stderr is not None
    said = []
    for line in rack.stderr:
        said.append(line)
        if "the machine is on" in line:
            return rack
    raise AssertionError("the rack ended before its machine was on:\n" + "".join(said))


def wait_for_the_warden(mark: str) -> None:
    """It is the last of the rack's processes."""
    deadline = time.monotonic() + DEADLINE_S
    while marked_pids(mark) and time.monotonic() < deadline:
        time.sleep(0.1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_rack_that_is_interrupted_cleans_up(tmp_path: Path, number: signal.Signals) -> None:
    rack = start_and_wait_for_power(tmp_path)
    rack.send_signal(number)
    rack.communicate(timeout=DEADLINE_S)
    assert rack.returncode == 128 + signal.SIGINT


def test_a_rack_that_is_killed_is_cleaned_up_after_by_its_warden(tmp_path: Path, mark: str) -> None:
    rack = start_and_wait_for_power(tmp_path / "work")
    rack.kill()
    rack.communicate()
    wait_for_the_warden(mark)
    assert not (tmp_path / "work").exists()


def test_what_a_killed_rack_and_its_killed_warden_left_is_swept_by_the_next() -> None:
    script = "import os; from tests.rack import netns; print(netns.create().name, flush=True); os._exit(0)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.strip() in left_behind()
    assert done.stdout.strip() in warden.sweep_orphans()


def test_a_bad_file_starts_nothing(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("name: bad\ncolour: red\n")
    done = subprocess.run([sys.executable, "-m", "tests.rack", str(path)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and "unknown word 'colour'" in done.stderr


def test_a_rack_without_its_image_says_how_to_build_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.rack", str(MACHINES / "healthy-bios.yaml"), "--image", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 3 and "make image" in done.stderr
