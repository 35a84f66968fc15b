"""A load that takes more memory than there is dies of it, and the agent does not."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

LIMIT_BYTES = 160 << 20
V1, V2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
# As the agent does at its start, then a load that wants a gigabyte.
AGENT = """
import contextlib, sys
from pathlib import Path
group, hog = sys.argv[1:]
Path(group, "cgroup.procs").write_text("0")
with contextlib.suppress(OSError):
    Path("/proc/self/oom_score_adj").write_text("-1000")
from agent.host import shell
done = shell.run([sys.executable, "-c", hog], 60)
print(done.status, done.killed_by_signal, done.trouble)
"""
HOG = "x = bytearray(1 << 30)\nfor i in range(0, len(x), 4096): x[i] = 1"


def parent() -> tuple[Path, str] | None:
    """Where a group of our own can be made, and how its limit is called."""
    if (V1 / "memory.limit_in_bytes").exists():
        return V1, "memory.limit_in_bytes"
    if "memory" in _text(V2 / "cgroup.subtree_control").split():
        return V2, "memory.max"
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


@pytest.fixture
def group() -> Iterator[Path]:
    found = parent()
    if found is None or os.geteuid() != 0:
        pytest.skip("needs root and a control group for memory")
    top, limit = found
    made = top / f"vetting-test-{os.getpid()}"
    try:
        made.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made: {error}")
    try:
        (made / limit).write_text(str(LIMIT_BYTES))
        with contextlib.suppress(OSError):
            (made / "memory.swap.max").write_text("0")
        yield made
    finally:
        made.rmdir()


def test_memory_pressure_kills_the_load_and_not_the_agent(group: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", AGENT, str(group), HOG], capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[:2] == ["None", "9"]
    assert "was killed by SIGKILL" in done.stdout
