"""Real processes: /bin/sh and friends, which every system has."""

from __future__ import annotations

import os
import select
import threading
import time
from pathlib import Path

import pytest

from agent.host import shell
from agent.host.children import RUNNING
from agent.host.stop import StopFlag


def sh(script: str, timeout_s: float = 20, **more: object) -> shell.Completed:
    return shell.run(["sh", "-c", script], timeout_s, **more)


def is_gone(pid: int) -> bool:
    """Whether a process ends within a few seconds (SIGKILL takes its time, but not long)."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], 5)[0])
    finally:
        os.close(handle)


def test_it_gives_status_output_and_time() -> None:
    done = sh("echo out; echo err >&2; exit 3")
    assert (done.status, done.stdout, done.stderr) == (3, "out\n", "err\n")
    assert not done.ok and done.trouble == "sh exited with 3: err"


def test_a_missing_tool_is_an_answer() -> None:
    done = shell.run(["no-such-tool", "--version"], 5)
    assert done.missing and done.status is None
    assert done.trouble == "no-such-tool is not installed"


def test_a_time_out_kills_everything_the_tool_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"trap '' TERM; sleep 60 & echo $! > {pids}; sleep 60"
    done = sh(script, timeout_s=1)
    assert done.timed_out and not done.ok
    assert "did not end within" in done.trouble
    assert is_gone(int(pids.read_text()))


def test_a_tool_that_may_not_go_on_is_stopped_with_the_reason() -> None:
    answers = iter(["", "", "nobody answers"])
    done = sh("echo begun; sleep 60", 60, forbids=lambda: next(answers))
    assert done.stopped and not done.ok and done.stdout == "begun\n"
    assert done.trouble.startswith("sh was stopped after") and done.trouble.endswith(": nobody answers")


def test_a_tool_that_may_go_on_ends_by_itself() -> None:
    done = sh("echo done", forbids=lambda: "")
    assert done.ok and not done.forbidden


def test_what_a_tool_leaves_behind_is_killed_too(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    done = sh(f"sleep 60 & echo $! > {pids}; exit 0")
    assert done.ok and done.duration_s < 10
    assert is_gone(int(pids.read_text()))


def test_the_stop_flag_ends_it_at_once() -> None:
    stop = StopFlag()
    threading.Timer(0.2, stop.set, ["too hot"]).start()
    began = time.monotonic()
    done = shell.run(["sleep", "60"], 60, stop=stop)
    assert done.stopped and not done.timed_out
    assert time.monotonic() - began < 10
    assert shell.run(["sleep", "60"], 60, stop=stop).stopped


def test_no_callback_runs_after_its_block() -> None:
    """Else it would write into a descriptor that was closed, and that somebody else has opened meanwhile."""
    stop, began, left, late = StopFlag(), threading.Event(), threading.Event(), list[bool]()

    def hold_up() -> None:
        began.set()
        left.wait(0.3)

    def leave() -> None:
        with stop.calling(lambda: late.append(left.is_set())):
            registered.set()
            began.wait(5)
        left.set()

    registered, other = threading.Event(), threading.Thread(target=leave)
    with stop.calling(hold_up):
        other.start()
        registered.wait(5)
        stop.set("too hot")
    other.join(5)
    assert late == [False]


def test_a_tool_that_was_stopped_proves_nothing_though_it_ends_with_0() -> None:
    stop = StopFlag()
    done = sh(
        "trap 'echo PASS; exit 0' TERM; echo ready; sleep 60 & wait", stop=stop, on_output=lambda _: stop.set("hot")
    )
    assert (done.status, done.stopped, done.ok, done.ended) == (0, True, False, False)
    assert "was stopped" in done.trouble


def test_a_tool_that_ended_by_itself_was_not_stopped() -> None:
    assert sh("exit 3", stop=StopFlag()).ended


def test_all_tools_can_be_stopped_together() -> None:
    began = time.monotonic()
    threading.Timer(0.2, RUNNING.kill_all).start()
    assert shell.run(["sleep", "60"], 60).killed_by_signal == 9
    assert time.monotonic() - began < 10


def test_a_flood_of_output_keeps_its_beginning_and_its_end() -> None:
    done = sh("echo first; yes | head -c 5000000; echo last", cap_bytes=10_000)
    assert done.ok and len(done.stdout) < 11_000
    assert done.stdout.startswith("first\n") and done.stdout.endswith("last\n")
    assert "bytes left out" in done.stdout


def test_bytes_that_are_no_text_do_not_hurt() -> None:
    assert sh(r"printf 'a\377b'").stdout == "a\ufffdb"


def test_input_of_any_size_goes_in() -> None:
    assert len(shell.run(["cat"], 20, input="x" * 1_000_000).stdout) == 1_000_000


def test_a_tool_that_does_not_read_its_input_is_no_fault() -> None:
    assert shell.run(["true"], 20, input=b"x" * 1_000_000).ok


def test_output_is_seen_as_it_comes_from_both_streams() -> None:
    seen: list[bytes] = []
    sh("echo one; echo two >&2", on_output=seen.append)
    assert sorted(b"".join(seen).split()) == [b"one", b"two"]


def test_what_the_listener_raises_ends_the_tool(tmp_path: Path) -> None:
    def stop(chunk: bytes) -> None:
        raise ValueError("seen enough")

    pid = tmp_path / "pid"
    with pytest.raises(ValueError, match="seen enough"):
        sh(f"echo $$ > {pid}; echo now; sleep 60", on_output=stop)
    assert is_gone(int(pid.read_text()))


def test_tools_run_below_the_agent_and_die_before_it() -> None:
    done = sh("sleep 0.1; nice; cat /proc/self/oom_score_adj")
    assert done.stdout.split() == [str(max(10, os.getpriority(os.PRIO_PROCESS, 0))), "500"]


def test_tools_speak_english() -> None:
    assert sh("echo $LC_ALL $EXTRA", env={"EXTRA": "1"}).stdout == "C 1\n"


def test_no_descriptor_is_left_open() -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        sh("true")
        shell.run(["no-such-tool"], 1)
    assert len(os.listdir("/proc/self/fd")) == before
