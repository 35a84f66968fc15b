"""Voltages and temperatures of the board, and the limits that the BMC itself keeps for them. A limit that was crossed
before the event log was first read, or of which the BMC logs nothing, shows only here."""

from __future__ import annotations

import re
from collections.abc import Iterable

from agent.probes.bmc import bmc_meanings, supplies
from agent.probes.bmc.bmc_events import COLD, Meaning
from agent.probes.bmc.ipmitool import LIMITS_CROSSED, UNREAD, Sensor
from agent.probes.bmc.sel import LogEntry
from agent.probes.bmc.supplies import PowerSupply

# Every code that a crossed limit comes to.
CODES = ("bmc.event", "psu.voltage", "sensor.temp_high", "sensor.temp_low")
_READING = re.compile(r"(.*?) *\b(volts|degrees [cf])", re.IGNORECASE)
_NUMBER = re.compile(r"-?\d{1,6}(?:\.\d{1,9})?")
_LEVELS = {"nc": "non critical", "cr": "critical", "nr": "non recoverable"}


def measured(rows: Iterable[Sensor], found: Iterable[PowerSupply] = ()) -> list[Sensor]:
    """The sensors among `rows` that give a voltage or a temperature and belong to none of the supplies `found`. A rail
    at 0 V on a host that runs is not in use: boards with room for a second CPU have some."""
    found = list(found)
    told = {(one.name, one.number): one for one in rows if one.status != "ns" and _is_measured(one)}
    return [one for one in told.values() if supplies.owner_of(one, found) is None]


def is_read(sensor: Sensor) -> bool:
    """Whether value and status of a sensor of `measured` are readable."""
    return sensor.status != UNREAD and _value(sensor)[0] is not None


def crossed(sensor: Sensor) -> Meaning | None:
    """What the BMC would log if the sensor crossed this limit now. None if it is within its limits."""
    if sensor.status not in LIMITS_CROSSED:
        return None
    value, kind = _value(sensor)
    is_positive = value is None or value > 0
    side, level = sensor.status[:-2], _LEVELS[sensor.status[-2:]]
    # Short lists don't say which limit it is.
    is_lower = side == "l" or (not side and (kind == "voltage" or not is_positive))
    text = f"lower {level} going low" if is_lower else f"upper {level} going high"
    found = bmc_meanings.meaning(LogEntry("", sensor.name, text, True, kind, sensor.name))
    # Without its thermistor a sensor reads 0 (ASUS's `TR1 Temperature`).
    return None if found == COLD and not is_positive else found


def _is_measured(sensor: Sensor) -> bool:
    return _READING.fullmatch(sensor.reading) is not None and _value(sensor) != (0.0, "voltage")


def _value(sensor: Sensor) -> tuple[float | None, str]:
    """The value, None if it is no number, and whether it is a voltage or a temperature."""
    match = _READING.fullmatch(sensor.reading)
    if match is None:
        return None, ""
    value = float(match[1]) if _NUMBER.fullmatch(match[1]) else None
    return value, "voltage" if match[2].lower() == "volts" else "temperature"
