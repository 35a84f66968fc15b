"""The running tools. They have a lower priority than the agent, and are killed with everything they started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

CHILD_NICENESS = 10
CHILD_OOM_SCORE_ADJ = 500
KILL_PASSES = 3


class Running:
    """Every running tool, so that all of them can be stopped at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._processes: set[subprocess.Popen[bytes]] = set()

    @contextlib.contextmanager
    def holding(self, process: subprocess.Popen[bytes]) -> Iterator[None]:
        with self._lock:
            self._processes.add(process)
        try:
            yield
        finally:
            with self._lock:
                self._processes.discard(process)

    def kill_all(self) -> None:
        """Kill all tools, because the agent ends: nothing that it started may go on without it."""
        with self._lock:
            processes = list(self._processes)
        for process in processes:
            kill_session(process.pid, signal.SIGKILL)


RUNNING = Running()


def lower(pid: int) -> None:
    """Lower the priority and out-of-memory protection of a new child, which it inherited from the agent. It is done
    from outside and not in a preexec_fn, which runs Python between fork and exec, where threads can deadlock."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, CHILD_NICENESS)
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/oom_score_adj").write_text(str(CHILD_OOM_SCORE_ADJ))


def kill_session(pid: int, number: int) -> None:
    """Signal every process of the session that `pid` leads: stressors leave its process group, but not the session.
    SIGKILL is repeated for processes that were forked meanwhile."""
    for _ in range(KILL_PASSES if number == signal.SIGKILL else 1):
        members = session_members(pid)
        signal_all(members, number)
        if not members:
            return


def signal_all(pids: Iterable[int], number: int) -> None:
    """Signal these processes, without those that have ended."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def session_members(pid: int) -> list[int]:
    """Every process of the session that `pid` leads."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and _session_of(int(name)) == pid]


def _session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None
