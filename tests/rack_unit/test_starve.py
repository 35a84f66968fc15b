"""What the rack takes from its own bench: when the loops run, that they end, and a port that is narrow."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.rack import netns, outcome, starve, warden
from tests.rack.machinefile import Outcome, Shortage
from tests.rack.netns import Namespace


def event(kind: str, before: str, after: str) -> dict[str, Any]:
    return {"kind": kind, "before": before, "after": after}


ENTERS = event("stage_done", "Storage", "Network")
GO = event("go", "Network", "Network")
AGAIN = event("bench_unfit", "Network", "Network")
LEAVES = event("stage_done", "Network", "Burn")
FAILS = event("stage_failed", "Network", "Failed")


@pytest.mark.parametrize(
    ("during", "events", "is_due"),
    [
        ("measurement", [], False),
        ("measurement", [ENTERS], False),
        ("measurement", [ENTERS, GO], True),
        ("measurement", [ENTERS, GO, AGAIN], False),
        ("measurement", [ENTERS, GO, AGAIN, GO], False),
        ("measurement", [ENTERS, GO, FAILS], False),
        ("Network", [ENTERS, GO, AGAIN, GO], True),
        ("Network", [ENTERS, GO, AGAIN, GO, LEAVES], False),
        ("Network", [ENTERS], False),
        ("run", [], True),
        ("run", [ENTERS, GO, LEAVES], True),
    ],
)
def test_the_loops_run_while_the_file_says(during: str, events: list[dict[str, Any]], is_due: bool) -> None:
    assert starve.is_due(Shortage(busy_loops=24, during=during), events) is is_due


def test_each_loop_has_a_session_of_its_own_and_all_of_them_end() -> None:
    loops = starve.Loops(3)
    loops.start()
    try:
        pids = [process.pid for process in loops._running]
        assert [os.getsid(pid) for pid in pids] == pids
    finally:
        loops.stop()
    assert not loops.are_running
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_sound_part_that_is_blamed_is_told_whatever_else_is_wanted() -> None:
    seen = outcome.Seen(state="FailedHolding", verdict="failed", stage="Network", components=("A", "B"))
    assert outcome.failures(Outcome(sound=("A", "C")), seen) == ["A is blamed wrongly"]


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    namespace = netns.create()
    yield namespace
    warden.sweep(namespace)


def test_the_benchs_port_is_limited(namespace: Namespace) -> None:
    starve.narrow_port(namespace, 10)
    command = namespace.enter_command(["tc", "-j", "qdisc", "show", "dev", netns.BRIDGE])
    said = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert [(one["kind"], one["options"]["rate"]) for one in said if one.get("root")] == [("tbf", 1_250_000)]


def test_loops_of_a_rack_that_was_killed_are_swept_up_with_its_namespace(namespace: Namespace) -> None:
    loops = starve.Loops(2, namespace)
    loops.start()
    warden.sweep(namespace)
    assert [process.wait(10) for process in loops._running] == [-9, -9]
    loops.stop()
