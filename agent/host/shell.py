"""Runs the tools. A tool that is missing, hangs or floods its output gives a result, never an exception."""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import IO

from agent.host.capture import Capture
from agent.host.children import RUNNING, kill_session, lower
from agent.host.stop import StopFlag

OUTPUT_CAP_BYTES = 8 * 1024 * 1024
TERM_GRACE_S = 2.0
KILL_GRACE_S = 5.0
DRAIN_S = 1.0
FORBIDS_EVERY_S = 1.0


@dataclass(frozen=True)
class Completed:
    """How a tool ended. `status` is None if it never ran, was killed, or could not be killed (a process that hangs in
    the I/O of a dead disk survives SIGKILL). `stdout` and `stderr` are decoded with replacement and cut in the middle
    above the cap. `forbidden` is what `forbids` said, if that stopped it. `cut_off` says why the answer is not whole
    although the tool ended with status 0; the probe of that tool sets it."""

    argv: list[str]
    status: int | None
    stdout: str = ""
    stderr: str = ""
    duration_s: float = 0.0
    timed_out: bool = False
    missing: bool = False
    stopped: bool = False
    killed_by_signal: int | None = None
    forbidden: str = ""
    cut_off: str = ""

    @property
    def ok(self) -> bool:
        return self.status == 0 and self.ended

    @property
    def ended(self) -> bool:
        """Whether it ended by itself with its whole answer, whatever its status. The output of a tool that was killed
        may be half an answer that reads like a whole one."""
        return self.status is not None and not (self.timed_out or self.stopped or self.cut_off)

    @property
    def output(self) -> str:
        """All that it said, stderr first."""
        return self.stderr + self.stdout

    @property
    def trouble(self) -> str:
        """Why the tool did not end well, for the `reason` of a check. Empty if it did."""
        tool = os.path.basename(self.argv[0])
        if self.missing:
            return f"{tool} is not installed"
        if self.stopped:
            return f"{tool} was stopped after {self.duration_s:.0f} s{f': {self.forbidden}' if self.forbidden else ''}"
        if self.timed_out:
            return f"{tool} did not end within {self.duration_s:.0f} s"
        if self.killed_by_signal is not None:
            return f"{tool} was killed by {_signal_name(self.killed_by_signal)}"
        if self.status is None:
            return f"{tool} could not be run{_last_line(self.stderr)}"
        if self.cut_off:
            return f"{tool} gave no whole answer: {self.cut_off}"
        if self.status == 0:
            return ""
        return f"{tool} exited with {self.status}{_last_line(self.stderr or self.stdout)}"

    def trouble_or(self, error: Exception) -> str:
        """Why the output is of no use: the tool's own trouble, or the parser's `error` if the tool ended well."""
        return self.trouble or str(error)


def run(
    argv: Sequence[str],
    timeout_s: float,
    *,
    input: bytes | str | None = None,
    env: Mapping[str, str] | None = None,
    on_start: Callable[[int], None] | None = None,
    on_output: Callable[[bytes], None] | None = None,
    stop: StopFlag | None = None,
    forbids: Callable[[], str] | None = None,
    pass_fds: Sequence[int] = (),
    cap_bytes: int = OUTPUT_CAP_BYTES,
) -> Completed:
    """Run one tool until it ends, times out or is stopped by the flag. `env` is added to ours with LC_ALL=C.
    `on_start` gets its PID, and must not raise. `on_output` gets stdout and stderr as they come, in
    the calling thread; what it raises kills the tool and is passed on. `forbids` is asked every second: it says why the
    tool must stop, or nothing while it may go on.

    The tool runs in its own session, with a lower priority than the agent, and the out-of-memory killer takes it first.
    When it ends, everything that it started in that session ends, too.
    """
    argv = [str(word) for word in argv]
    if stop is not None and stop.is_set():
        return Completed(argv, None, stopped=True)
    started = time.monotonic()
    try:
        process = _spawn(argv, input is not None, env, pass_fds)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError | PermissionError) and not shutil.which(argv[0])
        return Completed(argv, None, stderr=str(error), missing=missing)
    with RUNNING.holding(process):
        if on_start is not None:
            on_start(process.pid)
        conversation = _Conversation(process, argv, started, timeout_s, input, on_output, stop, forbids, cap_bytes)
        return conversation.until_over()


def _spawn(
    argv: list[str], has_input: bool, env: Mapping[str, str] | None, pass_fds: Sequence[int]
) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        argv,
        stdin=subprocess.PIPE if has_input else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "LC_ALL": "C", **(env or {})},
        start_new_session=True,
        pass_fds=tuple(pass_fds),
        bufsize=0,
    )
    lower(process.pid)
    return process


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f": {lines[-1][:200]}" if lines else ""


class _Conversation:
    """One running tool: its pipes, its end and its time-out, in one select loop without polling."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        argv: list[str],
        started: float,
        timeout_s: float,
        given: bytes | str | None,
        on_output: Callable[[bytes], None] | None,
        stop: StopFlag | None,
        forbids: Callable[[], str] | None,
        cap_bytes: int,
    ) -> None:
        self.process, self.argv, self.started = process, argv, started
        self.deadline = started + timeout_s
        self.given = memoryview(given.encode() if isinstance(given, str) else given or b"")
        self.on_output, self.stop = on_output, stop
        self.forbids, self.forbidden = forbids, ""
        assert process.stdout and process.stderr, "the tool was started without pipes"
        self.stdout, self.stderr = process.stdout, process.stderr
        self.captures = {self.stdout: Capture(cap_bytes), self.stderr: Capture(cap_bytes)}
        self.timed_out = self.cut_short = False
        self.wake_read, self.wake_write = os.pipe()
        self.pidfd = os.pidfd_open(process.pid)
        self.selector = selectors.DefaultSelector()

    def until_over(self) -> Completed:
        self._register()
        try:
            with self.stop.calling(self._wake) if self.stop else contextlib.nullcontext():
                self._talk()
                if self.process.poll() is None:
                    self.cut_short = True
                    self._end()
                self._drain()
            return self._completed()
        finally:
            self._close()

    def _register(self) -> None:
        for pipe in self.captures:
            os.set_blocking(pipe.fileno(), False)
            self.selector.register(pipe, selectors.EVENT_READ, partial(self._read, pipe))
        self.selector.register(self.pidfd, selectors.EVENT_READ)
        self.selector.register(self.wake_read, selectors.EVENT_READ)
        if (stdin := self.process.stdin) is not None:
            os.set_blocking(stdin.fileno(), False)
            self.selector.register(stdin, selectors.EVENT_WRITE, partial(self._feed, stdin))

    def _wake(self) -> None:
        with contextlib.suppress(OSError):
            os.write(self.wake_write, b"x")

    def _talk(self) -> None:
        """Until the tool has ended, its time is over, the stop flag is set or the tool may not go on."""
        while True:
            remaining_s = self.deadline - time.monotonic()
            if remaining_s <= 0:
                self.timed_out = True
                return
            if self.forbids is not None:
                remaining_s = min(remaining_s, FORBIDS_EVERY_S)
                if forbidden := self.forbids():
                    self.forbidden = forbidden
                    return
            for key, _ in self.selector.select(remaining_s):
                if key.fileobj in (self.pidfd, self.wake_read):
                    return
                key.data()

    def _feed(self, stdin: IO[bytes]) -> None:
        try:
            self.given = self.given[os.write(stdin.fileno(), self.given[:65536]) :]
        except BlockingIOError:
            return
        except OSError:
            self.given = memoryview(b"")
        if not self.given:
            self.selector.unregister(stdin)
            stdin.close()

    def _read(self, pipe: IO[bytes]) -> bool:
        try:
            chunk = os.read(pipe.fileno(), 65536)
        except BlockingIOError:
            return False
        if not chunk:
            self.selector.unregister(pipe)
            return False
        self.captures[pipe].add(chunk)
        if self.on_output:
            self.on_output(chunk)
        return True

    def _drain(self) -> None:
        """Read what is still in the pipes. The time is bounded, since a process that left the session may hold them
        open."""
        until = time.monotonic() + DRAIN_S
        open_pipes = [pipe for pipe in self.captures if pipe in self.selector.get_map()]
        for pipe in open_pipes:
            while time.monotonic() < until and self._read(pipe):
                pass

    def _end(self) -> None:
        """Ask the whole session to stop, then kill it."""
        kill_session(self.process.pid, signal.SIGTERM)
        if not self._ends_within(TERM_GRACE_S):
            kill_session(self.process.pid, signal.SIGKILL)
            self._ends_within(KILL_GRACE_S)

    def _ends_within(self, seconds: float) -> bool:
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _completed(self) -> Completed:
        code = self.process.poll()
        return Completed(
            self.argv,
            status=code if code is not None and code >= 0 else None,
            stdout=self.captures[self.stdout].text(),
            stderr=self.captures[self.stderr].text(),
            duration_s=time.monotonic() - self.started,
            timed_out=self.timed_out,
            # Also if it then exits with 0: stressapptest says PASS for the part that it did.
            stopped=self.cut_short and not self.timed_out,
            killed_by_signal=-code if code is not None and code < 0 else None,
            forbidden=self.forbidden,
        )

    def _close(self) -> None:
        if self.process.poll() is None:
            kill_session(self.process.pid, signal.SIGKILL)
            self._ends_within(KILL_GRACE_S)
        kill_session(self.process.pid, signal.SIGKILL)
        self.selector.close()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        for fd in (self.pidfd, self.wake_read, self.wake_write):
            os.close(fd)
