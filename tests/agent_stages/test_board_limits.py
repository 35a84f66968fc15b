"""What a crossed limit of a board's sensor comes to: every status, voltage and temperature, every kind of name."""

from __future__ import annotations

from itertools import product

import pytest

from agent.probes.bmc import board_limits
from agent.probes.bmc.ipmitool import LIMITS_CROSSED, STATUSES, Sensor

NAMES = ("12V", "VBAT", "CPU1 Temp", "CPU Margin", "PSU1 Temp", "DIMM VR HOT")
READINGS = ("10.20 Volts", "98 degrees C", "-3 degrees C", "0 degrees C")


def sensor(name: str, status: str, reading: str) -> Sensor:
    return Sensor(name, "30h", status, "7.1", reading)


def test_the_listed_codes_are_exactly_those_that_limits_come_to() -> None:
    found = [board_limits.crossed(sensor(*one)) for one in product(NAMES, LIMITS_CROSSED, READINGS)]
    assert {one.code for one in found if one} == set(board_limits.CODES)


def test_a_sensor_within_its_limits_comes_to_nothing() -> None:
    within = set(STATUSES) - set(LIMITS_CROSSED)
    assert not any(board_limits.crossed(sensor(*one)) for one in product(NAMES, within, READINGS))


@pytest.mark.parametrize(("status", "reading"), [("ok", "1#.20 Volts"), ("ok", "x degrees C"), ("?", "10.20 Volts")])
def test_a_sensor_of_which_value_or_status_is_garbled_is_not_read(status: str, reading: str) -> None:
    (kept,) = board_limits.measured([sensor("12V", status, reading)])
    assert not board_limits.is_read(kept)
    assert board_limits.is_read(sensor("12V", "ok", "12.10 Volts"))


def test_a_status_outside_the_limits_counts_without_a_readable_value() -> None:
    found = board_limits.crossed(sensor("12V", "lcr", "1#.20 Volts"))
    assert found is not None and found == board_limits.crossed(sensor("12V", "lcr", "10.20 Volts"))
