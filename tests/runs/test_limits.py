"""Sensor limits of a profile against a batch of measurements."""

from __future__ import annotations

import pytest

from agent import codes, wire
from runs import limits


def a_measurement(value: float, component: str = "CPU0", kind: str = "cpu", name: str = "temp", unit: str = "C"):  # noqa: ANN201
    return wire.Measurement(1.0, kind, component, name, value, unit)


def test_a_temperature_above_its_limit_names_device_and_number() -> None:
    (finding,) = limits.check({"cpu_temp_max_c": 95}, [a_measurement(97.5)])
    assert finding.message == "CPU0: temperature 97.5 C, above 95 C"
    assert (finding.severity, finding.component_kind, finding.component) == ("critical", "cpu", "CPU0")
    assert (finding.value, finding.limit, finding.unit) == (97.5, 95.0, "C")


def test_at_the_limit_is_not_above_it() -> None:
    assert limits.check({"cpu_temp_max_c": 95}, [a_measurement(95)]) == []


def test_a_limit_is_for_its_kind_of_component_only() -> None:
    assert limits.check({"disk_temp_max_c": 60}, [a_measurement(80)]) == []
    assert limits.check({"cpu_temp_max_c": 60}, [a_measurement(80, name="power", unit="W")]) == []


def test_each_component_is_told_once_with_its_worst_value() -> None:
    batch = [a_measurement(96), a_measurement(99), a_measurement(97), a_measurement(98, "CPU1")]
    found = limits.check({"cpu_temp_max_c": 95}, batch)
    assert [(f.component, f.value) for f in found] == [("CPU0", 99), ("CPU1", 98)]


def test_a_fan_below_its_limit() -> None:
    (finding,) = limits.check({"fan_fan_min_rpm": 300}, [a_measurement(0, "FAN1", "fan", "fan", "rpm")])
    assert (finding.code, finding.message) == ("sensor.fan_low", "FAN1: fan speed 0 rpm, below 300 rpm")


def test_a_warning_is_not_told_beside_the_critical_one() -> None:
    sensors = {"disk_temp_max_c_warning": 55, "disk_temp_max_c": 65}
    hot = a_measurement(70, "NVME-1", "disk")
    warm = a_measurement(60, "SATA-1", "disk")
    assert [(f.component, f.severity) for f in limits.check(sensors, [warm, hot])] == [
        ("NVME-1", "critical"),
        ("SATA-1", "warning"),
    ]


def test_names_for_the_agent_are_left_to_it() -> None:
    assert limits.check({"temp_critical_margin_c": 2}, [a_measurement(500)]) == []


@pytest.mark.parametrize("name", ["cpu_temp_max_c", "fan_fan_min_rpm", "disk_temp_max_c_warning"])
def test_every_code_is_in_the_registry(name: str) -> None:
    assert limits.is_known(name)
    (limit,) = limits.of({name: 1.0})
    value = 0.0 if limit.side == "min" else 2.0
    (finding,) = limits.check({name: 1.0}, [a_measurement(value, "X", limit.kind, limit.measure, limit.unit)])
    assert finding.code in codes.CODES
