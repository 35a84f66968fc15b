"""CPUStress's parts: each core alone, and which core is blamed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.contract import wire
from agent.host.stop import StopFlag
from agent.loads.stress_ng import StressResult
from agent.reports.partial_report import PartialReport
from agent.reports.progress import ProgressBoard
from agent.stages.cpu_stress import cpu_cores
from tests.agent_stages.contexts import context

# A stress-ng that gives a wrong result on one core, the one that FAILING names, and crashes on CRASHING.
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
if [ "$core" = "$CRASHING" ]; then
  echo "stress-ng: info:  [9] stressor terminated with unexpected signal 11 'SIGSEGV'" >&2
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


def alone(tmp_path: Path, packages: dict[int, list[int]], most_s: float = 60, core_s: float = 1.0) -> PartialReport:
    return cpu_cores.run(packages, core_s, most_s, StopFlag(), ProgressBoard(context("CPUStress", tmp_path)))


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


def test_a_core_that_crashes_its_worker_is_named_and_passes_nothing(
    tmp_path: Path, stress_ng: pytest.MonkeyPatch
) -> None:
    """stress-ng handles the signal itself, so the kernel logs nothing about it."""
    stress_ng.setenv("CRASHING", "1")
    report = alone(tmp_path, {0: [0, 1], 1: [4, 5]})
    assert [(check.component, check.outcome) for check in report.checks] == [
        ("CPU0", wire.Outcome.NOT_TESTED),
        ("CPU1", wire.Outcome.PASSED),
    ]
    (found,) = report.findings
    assert (found.code, found.severity, found.component) == ("system.program_crashed", wire.Severity.WARNING, "CPU0")
    assert "crashed on core 1, working alone" in found.message
    assert "stress-ng.core1" in report.evidence


def test_cores_that_the_time_does_not_reach_are_not_tested(tmp_path: Path, stress_ng: pytest.MonkeyPatch) -> None:
    stress_ng.setenv("FAILING", "none")
    (check,) = alone(tmp_path, {0: [0, 1, 2, 3]}, most_s=2).checks
    assert (check.outcome, check.reason) == (wire.Outcome.NOT_TESTED, "2 of 4 cores, 1 s each")
    (check,) = alone(tmp_path, {0: [0, 1]}, most_s=2).checks
    assert (check.outcome, check.reason) == (wire.Outcome.PASSED, "2 of 2 cores, 1 s each")


@pytest.mark.parametrize("most_s", [60.0, 1800.0, 1799.9])
def test_every_core_gets_its_share_as_long_as_there_is_a_second_for_each(most_s: float) -> None:
    """1800 s for 112 cores: a share is rounded up by 1e-15 s, and 1800 divided by it is 111.99…"""
    shares = {cores: cpu_cores.share(cores, 30.0, most_s) for cores in range(1, 2049)}
    assert {cores: reached for cores, (_, reached) in shares.items() if reached != min(cores, int(most_s))} == {}
    assert all(each_s * reached <= most_s + 1e-9 for each_s, reached in shares.values())


def test_a_host_with_112_cores_has_all_of_them_tested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[int] = []

    def load(core: int, *others: object) -> tuple[StressResult, str]:
        loaded.append(core)
        return StressResult(False, "", {"cpu": 1.0}, []), ""

    monkeypatch.setattr(cpu_cores, "_one", load)
    report = alone(tmp_path, {0: list(range(56)), 1: list(range(56, 112))}, most_s=1800, core_s=30)
    assert loaded == list(range(112))
    assert {check.component: (check.outcome, check.reason) for check in report.checks} == {
        "CPU0": (wire.Outcome.PASSED, "56 of 56 cores, 16 s each"),
        "CPU1": (wire.Outcome.PASSED, "56 of 56 cores, 16 s each"),
    }


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
