"""A part at its critical temperature: the load stops first, then the log, the screen and the result name the part,
the sensor, the reading and the limit. One reading beyond the limit does nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from agent.attempt import Attempt
from agent.contract import wire
from agent.sensors.critical_limit import CriticalTemperature
from agent.sensors.readings import Temperature
from agent.stage import StageContext, StageReport
from tests.agent.conftest import Bench
from tests.agent.orchestrator import Orchestrator, order
from tests.agent.test_sensors import chip, coretemp

NewBench = Callable[[Orchestrator], Bench]
KEYGEN = pytest.mark.skipif("not __import__('shutil').which('ssh-keygen')", reason="needs ssh-keygen")
MARGIN = {"temp_critical_margin_c": 3.0}
CPU = "CPU0: 98 C (Package id 0), limit 97 C: the load was stopped"
DISK = "S4NVME0001: 83 C (Composite), limit 82 C: the load was stopped"


def loaded(started: threading.Event) -> Callable[[StageContext], StageReport]:
    def stage(context: StageContext) -> StageReport:
        started.set()
        context.stop.wait(30)
        context.stop.check()
        return StageReport(wire.Outcome.PASSED)

    return stage


def heat(sensor: Path, value_c: float) -> None:
    (sensor / "temp1_input").write_text(f"{value_c * 1000:.0f}")


def drive(root: Path) -> Path:
    made = chip(root, 1, "nvme/nvme0", name="nvme", temp1_input=40_000, temp1_label="Composite", temp1_crit=85_000)
    (root / "sys/devices/nvme/nvme0/serial").write_text("S4NVME0001\n")
    return made


def told(bench: Bench, warm: Callable[[], None]) -> wire.Result:
    """The result of a stage in which `warm` was called once its load was on."""
    started = threading.Event()
    with bench.running(bench.agent({"CPUStress": loaded(started)})):
        assert started.wait(10)
        warm()
        bench.orchestrator.wait_for(lambda o: o.said("hold"))
    return bench.orchestrator.results["CPUStress", 1]


@KEYGEN
def test_a_cpu_too_hot_is_in_the_result_the_log_and_on_the_screen(bench: NewBench) -> None:
    b = bench(Orchestrator([order("CPUStress")], sensor_limits=MARGIN))
    package = coretemp(b.root, 40.0)
    result = told(b, lambda: heat(package, 98.0))
    (finding,) = result.findings
    assert (result.outcome, result.reason) == (wire.Outcome.FAILED, CPU)
    assert (finding.code, finding.severity) == ("thermal.critical", wire.Severity.CRITICAL)
    assert (finding.component, finding.value, finding.limit, finding.unit) == ("CPU0", 98.0, 97.0, "C")
    assert ("counters.thermal", wire.Outcome.FAILED) in [(check.name, check.outcome) for check in result.checks]
    assert b.orchestrator.log_lines.count(CPU) == 1
    assert sum(CPU in line for line in b.console) >= 1
    assert any(m.name == "temp" and m.component == "CPU0" for m in b.orchestrator.measurements)


@KEYGEN
def test_a_disk_too_hot_is_named_by_its_serial_number(bench: NewBench) -> None:
    b = bench(Orchestrator([order("CPUStress")], sensor_limits=MARGIN))
    disk = drive(b.root)
    result = told(b, lambda: heat(disk, 83.0))
    assert [(f.component_kind, f.component, f.message) for f in result.findings] == [("disk", "S4NVME0001", DISK)]
    assert DISK in b.orchestrator.log_lines


@KEYGEN
def test_a_stage_that_passes_while_a_part_is_too_hot_fails(bench: NewBench) -> None:
    """A load that does not look at the stop flag ends by itself: the heat is told all the same."""
    b = bench(Orchestrator([order("CPUStress")], sensor_limits=MARGIN))
    package = coretemp(b.root, 98.0)

    def short(context: StageContext) -> StageReport:
        context.stop.wait(30)
        return StageReport(wire.Outcome.PASSED)

    with b.running(b.agent({"CPUStress": short})):
        b.orchestrator.wait_for(lambda o: o.said("hold"))
    assert package.exists()
    assert b.orchestrator.results["CPUStress", 1].outcome is wire.Outcome.FAILED


def test_one_reading_beyond_the_limit_stops_nothing(bench: NewBench) -> None:
    b = bench(Orchestrator([order("CPUStress")], sensor_limits=MARGIN))
    package = coretemp(b.root, 40.0)

    def stage(context: StageContext) -> StageReport:
        for value_c in (120.0, 40.0, 120.0, 40.0):
            heat(package, value_c)
            agent.sidecar.sample()
        return StageReport(wire.Outcome.PASSED)

    agent = b.agent({"CPUStress": stage})
    agent.timing = replace(agent.timing, sample_s=60.0)
    with b.running(agent) as thread:
        thread.join(15)
    result = b.orchestrator.results["CPUStress", 1]
    assert (result.outcome, result.findings) == (wire.Outcome.PASSED, [])


def test_an_agent_that_was_restarted_needs_two_readings_of_its_own() -> None:
    hot = [_reading(120.0)]
    assert CriticalTemperature({}).look(hot) == []
    again = CriticalTemperature({})
    assert again.look(hot) == []
    assert again.look([_reading(40.0)]) == []
    assert again.look(hot) == []


def test_every_part_that_is_too_hot_is_told_once() -> None:
    attempt = Attempt(order("Burn"))
    cpu, disk = (wire.Finding("thermal.critical", wire.Severity.CRITICAL, kind, name, f"{name}: 99 C")
                 for kind, name in (("cpu", "CPU0"), ("disk", "S1")))  # fmt: skip
    assert [attempt.too_hot(one) for one in (cpu, cpu, disk, cpu)] == [True, False, True, False]
    assert attempt.hot == [cpu, disk] and attempt.stop.reason == "CPU0: 99 C"


def test_what_gets_hot_after_the_stage_was_told_to_stop_is_not_held_against_it() -> None:
    attempt = Attempt(order("Burn"))
    attempt.stop.set("the run was cancelled")
    finding = wire.Finding("thermal.critical", wire.Severity.CRITICAL, "cpu", "CPU0", "CPU0: 99 C")
    assert not attempt.too_hot(finding) and attempt.hot == []


def _reading(value_c: float) -> Temperature:
    return Temperature("cpu", "CPU0", "Package id 0", value_c, 100.0)
