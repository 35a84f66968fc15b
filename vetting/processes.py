"""Child processes that must not outlive us, and pid files that say whose they are."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
from django.conf import settings

_PR_SET_PDEATHSIG = 1
MANAGE = [sys.executable, str(settings.BASE_DIR / "manage.py")]


def start(argv: list[str], name: str, **env: str) -> subprocess.Popen[bytes]:
    """Start `argv` in a process group of its own; it gets SIGTERM if we die. Its pid is written to PID_DIR/name.pid."""
    child = subprocess.Popen(argv, start_new_session=True, preexec_fn=_die_with_parent, env={**os.environ, **env})
    pid_file(name).parent.mkdir(parents=True, exist_ok=True)
    pid_file(name).write_text(str(child.pid))
    return child


def pid_file(name: str) -> Path:
    return settings.PID_DIR / f"{name}.pid"


def stop(child: subprocess.Popen[bytes], grace_s: float = 10.0) -> int:
    """Ask it to end, wait, and kill its whole group if it does not. Returns its exit status."""
    child.terminate()
    try:
        return child.wait(grace_s)
    except subprocess.TimeoutExpired:
        kill_group(child.pid)
        return child.wait()


def kill_group(pgid: int) -> None:
    """SIGKILL to every process of the group; nothing if there is none."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pgid, signal.SIGKILL)


def kill_leftover(name: str, word: str) -> None:
    """End the process group that an earlier, killed parent left behind. The pid file names it; its leader or a member
    must have `word` in its command line."""
    try:
        pgid = int(pid_file(name).read_text())
    except (OSError, ValueError):
        return
    for process in psutil.process_iter(["pid", "cmdline"]):
        try:
            if os.getpgid(process.pid) == pgid and any(word in part for part in process.info["cmdline"] or []):
                kill_group(pgid)
                return
        except (ProcessLookupError, psutil.Error):
            continue


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
