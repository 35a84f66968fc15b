"""Load in square waves: the edges as they are planned, on processes that are really stopped and continued."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from agent.contract import wire
from agent.exercises import changing_load
from agent.exercises.changing_load import Sweep
from agent.host.stop import StopFlag
from agent.reports import checks
from agent.reports.partial_report import PartialReport

PASSED, FAILED, NOT_TESTED = wire.Outcome.PASSED, wire.Outcome.FAILED, wire.Outcome.NOT_TESTED
# A load of two processes, which end after the time that it is given. It says how often it was continued.
STRESS_NG = """#!/usr/bin/python3
import os, signal, sys, time
words = sys.argv[1:]
seconds = float(words[words.index("--timeout") + 1].rstrip("s"))
os.fork()
counted = 0
def count(*_):
    global counted
    counted += 1
signal.signal(signal.SIGCONT, count)
until = time.monotonic() + seconds
while time.monotonic() < until:
    time.sleep(0.01)
with open(os.environ["COUNTED"], "a") as file:
    file.write(f"{counted}\\n")
with open(words[words.index("--yaml") + 1], "w") as file:
    file.write("metrics:\\n    - stressor: cpu\\n      bogo-ops-per-second-real-time: 12.0\\n")
"""


def test_waves_get_faster_by_equal_factors() -> None:
    sweep = Sweep(12, 0.5, 10)
    assert (sweep.hz(0), round(sweep.hz(6), 3), sweep.hz(12), sweep.hz(99)) == (0.5, 2.236, 10, 10)
    halves = sweep.half_waves()
    assert halves[:2] == [1.0, 1.0] and 0.05 <= halves[-1] < 0.06
    assert len(halves) % 2 == 0 and 12 <= sum(halves) < 12.2
    assert 40 < len(halves) < 120


def test_the_slowest_wave_is_whole() -> None:
    assert Sweep(1, 0.1, 10).half_waves() == [5.0, 5.0]


@pytest.fixture
def stress_ng(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    tool = tmp_path / "stress-ng"
    tool.write_text(STRESS_NG)
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("COUNTED", str(tmp_path / "counted"))
    return tmp_path / "counted"


def test_every_process_of_the_load_is_stopped_and_continued(stress_ng: Path) -> None:
    sweep = Sweep(1.5, 2, 4)
    report = changing_load.run(sweep, StopFlag(), {0: [0]})
    assert [(one.name, one.outcome) for one in report.checks] == [("load_changes", PASSED)]
    edges = len(sweep.half_waves())
    assert report.numbers == {"load_edges": float(edges)}
    assert report.checks[0].reason == f"{edges} edges, 2 to 4 Hz"
    counts = [int(line) for line in stress_ng.read_text().split()]
    # Each half that was at rest has ended, and once more at the end.
    assert len(counts) == 2 and all(edges // 2 <= count <= edges // 2 + 1 for count in counts)


def test_a_stop_in_the_middle_of_a_wave_leaves_no_process_stopped(stress_ng: Path) -> None:
    stop = StopFlag()
    timer = threading.Timer(1.0, lambda: stop.set("over"))
    timer.start()
    report = changing_load.run(Sweep(60, 0.5, 1), stop, {0: [0]})
    timer.join()
    assert [(one.name, one.outcome) for one in report.checks] == [("load_changes", NOT_TESTED), ("compute", NOT_TESTED)]


LOAD = PartialReport([checks.passed("compute", "CPU0")], [], {"cpu_bogo_ops_s.CPU0": 5.0}, {"stress-ng.CPU0": "text"})


@pytest.mark.parametrize(("edges", "outcome"), [(76, PASSED), (38, PASSED), (37, NOT_TESTED), (0, NOT_TESTED)])
def test_a_load_that_hardly_changed_proves_nothing(edges: int, outcome: wire.Outcome) -> None:
    report = changing_load._judged(Sweep(12, 0.5, 10), edges, 76, LOAD)
    assert [(one.name, one.outcome) for one in report.checks] == [("load_changes", outcome)]
    assert report.numbers == {"load_edges": float(edges)}, "how fast a load in waves was says nothing"
    assert report.evidence == {"changing.stress-ng.CPU0": "text"}


def test_a_wrong_result_at_an_edge_fails_the_package() -> None:
    wrong = replace(LOAD, checks=[checks.failed("compute", "CPU0", reason="CPU0: a core gave a wrong result")])
    report = changing_load._judged(Sweep(12, 0.5, 10), 76, 76, wrong)
    assert [(one.name, one.outcome) for one in report.checks] == [("load_changes", NOT_TESTED), ("compute", FAILED)]
