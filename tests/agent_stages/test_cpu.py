"""CPUStress's parts: each core alone, and which core is blamed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.contract import wire
from agent.host.stop import StopFlag
from agent.reports.partial_report import PartialReport
from agent.reports.progress import ProgressBoard
from agent.stages.cpu_stress import cpu_cores
from tests.agent_stages.contexts import context

# A stress-ng that gives a wrong result on one core, the one that FAILING names.
STRESS_NG = """#!/bin/sh
while [ $# -gt 0 ]; do
  case $1 in --taskset) core=$2;; --yaml) yaml=$2;; esac
  shift
done
printf 'metrics:\\n    - stressor: cpu\\n      bogo-ops-per-second-real-time: 12.0\\n' > "$yaml"
if [ "$core" = "$FAILING" ]; then
  echo "stress-ng: fail:  [9] cpu: fft failed, expected 2.0, got 2.5" >&2
  exit 2
fi
"""


@pytest.fixture
def stress_ng(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    tool = tmp_path / "bin/stress-ng"
    tool.parent.mkdir()
    tool.write_text(STRESS_NG)
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    return monkeypatch


def alone(tmp_path: Path, packages: dict[int, list[int]], most_s: float = 60) -> PartialReport:
    return cpu_cores.run(packages, 1.0, most_s, StopFlag(), ProgressBoard(context("CPUStress", tmp_path)))


def test_a_core_that_calculates_wrongly_is_named(tmp_path: Path, stress_ng: pytest.MonkeyPatch) -> None:
    stress_ng.setenv("FAILING", "5")
    report = alone(tmp_path, {0: [0, 1], 1: [4, 5]})
    assert [(check.component, check.outcome) for check in report.checks] == [
        ("CPU0", wire.Outcome.PASSED),
        ("CPU1", wire.Outcome.FAILED),
    ]
    (found,) = report.findings
    assert (found.code, found.component, found.value) == ("cpu.miscompare", "CPU1", "core 5")
    assert "core 5, working alone, gave a wrong result: cpu: fft failed" in found.message


def test_cores_that_the_time_does_not_reach_are_not_tested(tmp_path: Path, stress_ng: pytest.MonkeyPatch) -> None:
    stress_ng.setenv("FAILING", "none")
    (check,) = alone(tmp_path, {0: [0, 1, 2, 3]}, most_s=2).checks
    assert (check.outcome, check.reason) == (wire.Outcome.NOT_TESTED, "2 of 4 cores, 1 s each")
    (check,) = alone(tmp_path, {0: [0, 1]}, most_s=2).checks
    assert (check.outcome, check.reason) == (wire.Outcome.PASSED, "2 of 2 cores, 1 s each")


def test_of_each_core_one_thread_is_tested(tmp_path: Path) -> None:
    for processor, siblings in ((0, "0,4"), (1, "1,5"), (4, "0,4"), (5, "1,5")):
        path = tmp_path / f"sys/devices/system/cpu/cpu{processor}/topology/thread_siblings_list"
        path.parent.mkdir(parents=True)
        path.write_text(siblings)
    assert cpu_cores.first_threads({0: [0, 1, 4, 5]}, tmp_path) == {0: [0, 1]}
    assert cpu_cores.first_threads({0: [1, 4, 5]}, tmp_path) == {0: [1, 4]}
    assert cpu_cores.first_threads({0: [8]}, tmp_path) == {0: [8]}


@pytest.mark.parametrize(("text", "processors"), [("0-2,64\n", [0, 1, 2, 64]), ("7", [7])])
def test_the_kernels_lists_of_processors_are_read(text: str, processors: list[int]) -> None:
    assert cpu_cores.expand(text) == processors
