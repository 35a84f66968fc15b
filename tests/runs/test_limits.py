"""Sensor limits of a profile against a batch of measurements."""

from __future__ import annotations

import pytest

from agent.contract import codes, wire
from runs.judging import sensor_limits


def measured(
    *values: float, component: str = "CPU0", kind: str = "cpu", name: str = "temp", unit: str = "C"
) -> list[wire.Measurement]:
    """A sample every 2 s."""
    return [wire.Measurement(2.0 * at, kind, component, name, value, unit) for at, value in enumerate(values)]


def test_a_temperature_above_its_limit_names_device_and_number() -> None:
    (finding,) = sensor_limits.check({"cpu_temp_max_c": 95}, measured(97.5, 97.5))
    assert finding.message == "CPU0: temperature 97.5 C, above 95 C"
    assert (finding.severity, finding.component_kind, finding.component) == ("critical", "cpu", "CPU0")
    assert (finding.value, finding.limit, finding.unit) == (97.5, 95.0, "C")


@pytest.mark.parametrize("values", [(60, 60, 96, 60), (96,), (96, 60, 97, 60, 98)])
def test_one_reading_alone_is_a_glitch(values: tuple[float, ...]) -> None:
    assert sensor_limits.check({"cpu_temp_max_c": 95}, measured(*values)) == []


def test_a_glitch_is_not_the_worst_of_what_lasts() -> None:
    (finding,) = sensor_limits.check({"cpu_temp_max_c": 95}, measured(127, 60, 96, 97, 60))
    assert finding.value == 97


def test_the_last_sample_of_the_batch_before_counts() -> None:
    last, *batch = measured(96, 97, 60)
    assert sensor_limits.broken_by_first({"cpu_temp_max_c": 95}, batch) == batch[:1]
    assert sensor_limits.broken_by_first({"cpu_temp_max_c": 95}, batch[1:]) == []
    assert sensor_limits.check({"cpu_temp_max_c": 95}, batch) == []
    assert [f.value for f in sensor_limits.check({"cpu_temp_max_c": 95}, batch, [last])] == [97]


def test_at_the_limit_is_not_above_it() -> None:
    assert sensor_limits.check({"cpu_temp_max_c": 95}, measured(95, 95)) == []


def test_a_limit_is_for_its_kind_of_component_only() -> None:
    assert sensor_limits.check({"disk_temp_max_c": 60}, measured(80, 80)) == []
    assert sensor_limits.check({"cpu_temp_max_c": 60}, measured(80, 80, name="power", unit="W")) == []


def test_each_component_is_told_once_with_its_worst_value() -> None:
    batch = [*measured(96, 99, 97), *measured(98, 96, component="CPU1")]
    found = sensor_limits.check({"cpu_temp_max_c": 95}, batch)
    assert [(f.component, f.value) for f in found] == [("CPU0", 99), ("CPU1", 98)]


def test_a_fan_below_its_limit() -> None:
    (finding,) = sensor_limits.check(
        {"fan_fan_min_rpm": 300}, measured(0, 0, component="FAN1", kind="fan", name="fan", unit="rpm")
    )
    assert (finding.code, finding.message) == ("sensor.fan_low", "FAN1: fan speed 0 rpm, below 300 rpm")


def test_a_warning_is_not_told_beside_the_critical_one() -> None:
    sensors = {"disk_temp_max_c_warning": 55, "disk_temp_max_c": 65}
    hot = measured(70, 70, component="NVME-1", kind="disk")
    warm = measured(60, 60, component="SATA-1", kind="disk")
    assert [(f.component, f.severity) for f in sensor_limits.check(sensors, [*warm, *hot])] == [
        ("NVME-1", "critical"),
        ("SATA-1", "warning"),
    ]


def test_names_for_the_agent_are_left_to_it() -> None:
    assert sensor_limits.check({"temp_critical_margin_c": 2}, measured(500, 500)) == []


@pytest.mark.parametrize("name", ["cpu_temp_max_c", "fan_fan_min_rpm", "disk_temp_max_c_warning"])
def test_every_code_is_in_the_registry(name: str) -> None:
    assert sensor_limits.is_known(name)
    (limit,) = sensor_limits.of({name: 1.0})
    value = 0.0 if limit.side == "min" else 2.0
    batch = measured(value, value, component="X", kind=limit.kind, name=limit.measure, unit=limit.unit)
    (finding,) = sensor_limits.check({name: 1.0}, batch)
    assert finding.code in codes.CODES
