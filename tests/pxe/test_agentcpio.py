"""The agent's archive, unpacked again by the `cpio` tool."""

from __future__ import annotations

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pxe import agentcpio

FILES = [("agent/__init__.py", b""), ("agent/session.py", b"x = 1\n"), ("agent/stages/smart/stage.py", b"y = 22\n")]


def test_the_same_sources_give_the_same_bytes(tmp_path: Path) -> None:
    assert agentcpio.pack(FILES) == agentcpio.pack(FILES)
    assert agentcpio.pack(FILES) != agentcpio.pack([*FILES[:2], ("agent/stages/smart/stage.py", b"y = 23\n")])


def test_the_tool_unpacks_what_was_packed(tmp_path: Path) -> None:
    if not shutil.which("cpio"):
        pytest.skip("cpio is not installed: apt install cpio")
    done = subprocess.run(["cpio", "-idm", "--quiet"], input=agentcpio.pack(FILES), cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr
    below = tmp_path / "usr/lib/vetting"
    assert {path.relative_to(below).as_posix(): path.read_bytes() for path in below.rglob("*.py")} == dict(FILES)
    assert (below / "agent/session.py").stat().st_mtime == 0
    assert (below / "agent/stages").stat().st_mode & 0o777 == 0o755


def test_this_checkout_s_agent_is_whole_and_importable_from_the_archive(settings: Any, tmp_path: Path) -> None:
    if not shutil.which("cpio"):
        pytest.skip("cpio is not installed: apt install cpio")
    archive = agentcpio.current()
    assert archive == agentcpio.current()
    subprocess.run(["cpio", "-id", "--quiet"], input=archive.read_bytes(), cwd=tmp_path, check=True)
    unpacked = tmp_path / "usr/lib/vetting"
    names = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()}
    wanted = settings.BASE_DIR / "agent"
    assert names == {f"agent/{path.relative_to(wanted)}" for path in wanted.rglob("*.py")}
    command = [
        sys.executable,
        "-I",
        "-c",
        f"import sys; sys.path.insert(0, {str(unpacked)!r}); import agent.contract.wire",
    ]
    assert subprocess.run(command, capture_output=True).returncode == 0


def test_a_hundred_requests_at_once_pack_it_once(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes 20 ms of the process that answers heartbeats, and needs no token."""
    packed: list[int] = []
    really = agentcpio.sources
    monkeypatch.setattr(agentcpio, "sources", lambda package: packed.append(1) or really(package))
    monkeypatch.setattr(agentcpio, "LOOK_S", 3600.0)
    with ThreadPoolExecutor(max_workers=8) as pool:
        found = set(pool.map(lambda _: agentcpio.current(), range(100)))
    assert len(found) == len(packed) == 1


def test_a_changed_agent_replaces_the_older_archive(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.BASE_DIR = tmp_path / "checkout"
    (settings.BASE_DIR / "agent").mkdir(parents=True)
    (settings.BASE_DIR / "agent" / "a.py").write_text("1")
    first = agentcpio.current()
    (settings.BASE_DIR / "agent" / "a.py").write_text("2")
    monkeypatch.setattr(agentcpio, "LOOK_S", 0.0)
    second = agentcpio.current()
    assert second != first and second.exists() and not first.exists()
