"""Programs that run in the background and outlive our processes. They are found by their pid file and recognised by an
argument of theirs.

They daemonise themselves, so that a worker that ends neither stops them nor leaves zombies.
"""

from __future__ import annotations

import math
import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

START_TIMEOUT_S = 5.0
END_WAIT_S = 0.5
# A new process is read for so long, and all processes so often.
SETTLES_S, ALL_READ_EVERY_S = 5.0, 10.0
_COMMAND_LINE_BYTES = 4096
SBIN = "/usr/local/sbin:/usr/sbin:/sbin"


@dataclass(frozen=True)
class Process:
    """`words` is its command line."""

    pid: int
    words: tuple[str, ...]


@dataclass(frozen=True)
class Daemon:
    """`marks` are arguments of its command line which together identify it, e.g. the path of our configuration."""

    program: str
    arguments: tuple[str, ...]
    pid_file: Path
    marks: tuple[str, ...]

    def pid(self) -> int | None:
        """The pid of the running process, by its pid file; None if that is missing or stale."""
        pid = _pid_in(self.pid_file)
        return pid if pid and self._is_ours(pid) else None

    def find(self) -> int | None:
        """The pid of the running process: by its pid file, else by looking at every process."""
        return self.pid() or next((one.pid for one in running(self.program) if self.is_it(one)), None)

    def is_it(self, process: Process) -> bool:
        return set(self.marks) <= set(process.words)

    def _is_ours(self, pid: int) -> bool:
        words = _command_line(pid)
        return _is(self.program, words) and self.is_it(Process(pid, tuple(words)))

    def start(self) -> str:
        """Start the program. Returns an empty text, or its output if it did not start. Raises FileNotFoundError if it
        is not installed."""
        executable = which(self.program)
        if executable is None:
            raise FileNotFoundError(self.program)
        # A file, not a pipe: with a pipe we would wait for a daemon that keeps its standard error open.
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


class Others:
    """The processes that are not of one program. A server has a thousand of them, so they are not read every second:
    only in the first seconds, since a process starts as a copy of another program, and all of them now and then."""

    def __init__(self) -> None:
        self._since: dict[int, float] = {}
        self._all_read_at = -math.inf

    def to_read(self, pids: list[int]) -> list[int]:
        """The processes among `pids` that may be of the program, for all that is known."""
        now = time.monotonic()
        self._since = {pid: self._since.get(pid, now) for pid in pids}
        if now - self._all_read_at >= ALL_READ_EVERY_S:
            self._all_read_at = now
            return pids
        return [pid for pid in pids if now - self._since[pid] < SETTLES_S]

    def remove(self, pid: int) -> None:
        """This process is of the program."""
        self._since.pop(pid, None)


_others: defaultdict[str, Others] = defaultdict(Others)


def running(program: str) -> Iterator[Process]:
    """Every process of this name. Those in containers on this machine are left out: they belong to another
    installation. One that became this program long after its start is found within `ALL_READ_EVERY_S`."""
    name, others = program.encode(), _others[program]
    for pid in others.to_read([int(entry) for entry in os.listdir("/proc") if entry.isdigit()]):
        if name not in _raw_command_line(pid) or not _is(program, words := _command_line(pid)):
            continue
        others.remove(pid)
        if _is_in_our_namespace(pid):
            yield Process(pid, tuple(words))


def end(pid: int) -> str:
    """Send SIGTERM, and SIGKILL half a second later. Returns an empty text if it has ended, else why it has not."""
    try:
        if stop(pid, END_WAIT_S) or stop(pid, END_WAIT_S, signal.SIGKILL):
            return ""
    except PermissionError:
        return "it belongs to another user"
    return "it does not end"


def stop(pid: int, wait_s: float, number: signal.Signals = signal.SIGTERM) -> bool:
    """Send the signal and wait; True if it has ended."""
    try:
        watch = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        signal.pidfd_send_signal(watch, number)
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


def _is(program: str, words: list[str]) -> bool:
    return bool(words) and Path(words[0]).name == program


def _is_in_our_namespace(pid: int) -> bool:
    """A process in a pid namespace below ours has one number in each namespace."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(errors="replace")
    except OSError:
        return False
    return len((re.search(r"^NSpid:(.*)$", status, re.M) or ["", ""])[1].split()) < 2


def _command_line(pid: int) -> list[str]:
    return _raw_command_line(pid).decode(errors="replace").split("\0")[:-1]


def _raw_command_line(pid: int) -> bytes:
    """The command line of a process; empty if it has ended or is a zombie. (This is read often; pathlib takes twice as
    long.)"""
    try:
        descriptor = os.open(f"/proc/{pid}/cmdline", os.O_RDONLY)
    except OSError:
        return b""
    try:
        return os.read(descriptor, _COMMAND_LINE_BYTES)
    except OSError:
        return b""
    finally:
        os.close(descriptor)
