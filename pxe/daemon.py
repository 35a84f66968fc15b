"""Programs that run beside us and outlive our processes: found again by pid file, known by an argument of
theirs.

They daemonise themselves, so a recycled worker neither takes them along nor leaves zombies.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

START_TIMEOUT_S = 5.0
SBIN = "/usr/local/sbin:/usr/sbin:/sbin"


@dataclass(frozen=True)
class Daemon:
    """`marks` are arguments of its command line that no other process has all of, e.g. our configuration's
    path."""

    program: str
    arguments: tuple[str, ...]
    pid_file: Path
    marks: tuple[str, ...]

    def pid(self) -> int | None:
        """Of the running one, by its pid file; None where that is missing or stale."""
        pid = _pid_in(self.pid_file)
        return pid if pid and self._is_ours(pid) else None

    def find(self) -> int | None:
        """The same; where the pid file doesn't tell, by looking at every process."""
        return self.pid() or next((pid for pid in _all_pids() if self._is_ours(pid)), None)

    def _is_ours(self, pid: int) -> bool:
        words = _command_line(pid)
        return bool(words) and Path(words[0]).name == self.program and set(self.marks) <= set(words)

    def start(self) -> str:
        """Start it; the empty string, or what it said when it would not. FileNotFoundError: not installed."""
        executable = which(self.program)
        if executable is None:
            raise FileNotFoundError(self.program)
        # A file, not a pipe: a daemon that keeps its standard error open would make us wait for it.
        with tempfile.TemporaryFile() as output:
            try:
                done = subprocess.run(
                    [executable, *self.arguments], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                    start_new_session=True, timeout=START_TIMEOUT_S, check=False, cwd="/",
                )  # fmt: skip
            except subprocess.TimeoutExpired:
                return f"did not go into the background within {START_TIMEOUT_S:.0f} s"
            output.seek(0)
            said = output.read(2000).decode(errors="replace").strip()
        return "" if done.returncode == 0 else said or f"exit status {done.returncode}"


def which(program: str) -> str | None:
    """`sbin` is searched too: a plain user's PATH leaves it out on Debian."""
    return shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:{SBIN}")


def stop(pid: int, wait_s: float) -> bool:
    """SIGTERM, then wait; True when it has gone."""
    try:
        watch = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        signal.pidfd_send_signal(watch, signal.SIGTERM)
        return bool(select.select([watch], [], [], wait_s)[0])
    except ProcessLookupError:
        return True
    finally:
        os.close(watch)


def _pid_in(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (FileNotFoundError, ValueError):
        return None


def _all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _command_line(pid: int) -> list[str]:
    """Empty for a process that has gone, and for a zombie."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []
