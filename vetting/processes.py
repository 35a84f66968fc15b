"""Child processes that must not outlive us, and pid files that say whose they are."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
from django.conf import settings
from django.db import connections

_PR_SET_PDEATHSIG = 1
MANAGE = [sys.executable, str(settings.BASE_DIR / "manage.py")]


def start(argv: list[str], name: str, **env: str) -> subprocess.Popen[bytes]:
    """Start `argv` in a process group of its own; it gets SIGTERM if we die. Its pid is written to PID_DIR/name.pid."""
    child = subprocess.Popen(argv, start_new_session=True, preexec_fn=_die_with_parent, env={**os.environ, **env})
    _write_pid(name, child.pid)
    return child


class Forked:
    """A child that calls `call` with what this process has loaded, in a process group of its own; it gets SIGTERM if we
    die. Used like a Popen. A new Python would load all our code again: 3 s of a core, and 80 MB that nobody shares."""

    def __init__(self, call: Callable[[], object], name: str) -> None:
        connections.close_all()  # a connection must not be used by two processes
        gc.collect()
        gc.freeze()  # otherwise the child's first garbage collection writes to every page, and no page stays shared
        self._process = multiprocessing.get_context("fork").Process(target=_lead, args=(call, os.getpid()), name=name)
        self._process.start()
        gc.unfreeze()
        self.pid: int = self._process.pid or 0
        _write_pid(name, self.pid)

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def terminate(self) -> None:
        self._process.terminate()

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status. Raises subprocess.TimeoutExpired."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout or 0)
        return self._process.exitcode


Child = subprocess.Popen[bytes] | Forked


def _lead(call: Callable[[], object], parent_pid: int) -> None:
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)  # the parent's signal handlers would not end this process
    _die_with_parent()
    if os.getppid() == parent_pid:  # otherwise the parent died before this signal was requested
        call()


def _write_pid(name: str, pid: int) -> None:
    pid_file(name).parent.mkdir(parents=True, exist_ok=True)
    pid_file(name).write_text(str(pid))


def pid_file(name: str) -> Path:
    return settings.PID_DIR / f"{name}.pid"


def stop(child: Child, grace_s: float = 10.0) -> int:
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


def kill_leftover(name: str, *words: str) -> None:
    """End the process group that an earlier, killed parent left behind. The pid file names it; its leader or a member
    must have one of `words` in its command line."""
    try:
        pgid = int(pid_file(name).read_text())
    except (OSError, ValueError):
        return
    for process in psutil.process_iter(["pid", "cmdline"]):
        try:
            if os.getpgid(process.pid) == pgid and _has(process.info["cmdline"], words):
                kill_group(pgid)
                return
        except (ProcessLookupError, psutil.Error):
            continue


def _has(cmdline: list[str] | None, words: tuple[str, ...]) -> bool:
    return any(word in part for part in cmdline or [] for word in words)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
