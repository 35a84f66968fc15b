"""The BMC: who it is, its sensors, its event log, the power it measures."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from agent import shell
from agent.probes.parsing import ParseError, clean

_DEVICES = ("dev/ipmi0", "dev/ipmi/0", "dev/ipmidev/0")
_PREDICTED = re.compile(r"predictive failure(?! deasserted)", re.IGNORECASE)
_PSU_QUALIFIER = re.compile(r"(?i)[ _-]*(status|state|presence|present|detect(ed)?|health|fail(ure)?)$")


@dataclass(frozen=True)
class Sensor:
    """One row of `sdr elist`: `status` ok, ns (no reading), nc, cr, nr, `reading` in the BMC's own words."""

    name: str
    number: str
    status: str
    entity: str
    reading: str


@dataclass(frozen=True)
class PowerSupply:
    """A supply as its state sensor tells. `ok` is None when the sensor has no reading."""

    name: str
    present: bool
    ok: bool | None
    reading: str


@dataclass(frozen=True)
class LogEntry:
    """One entry of the event log, from newest BMC or oldest alike: record number and what was said."""

    record: str
    sensor: str
    text: str
    asserted: bool


def has_bmc(root: Path = Path("/")) -> bool:
    """Whether the kernel found a BMC: without its device file ipmitool can only fail."""
    return any((root / device).exists() for device in _DEVICES)


def run(*words: str, timeout_s: float = 60.0) -> shell.Completed:
    return shell.run(["ipmitool", *words], timeout_s)


def parse_mc_info(text: str) -> dict[str, str]:
    """`Firmware Revision`, `IPMI Version`, `Manufacturer Name` and so on. Raises ParseError."""
    pairs = (line.partition(":") for line in text.splitlines() if not line.startswith((" ", "\t")))
    found = {clean(key): clean(value) for key, colon, value in pairs if colon and clean(value)}
    if "Firmware Revision" not in found:
        raise ParseError("ipmitool mc info named no firmware revision")
    return found


def parse_sdr(text: str) -> list[Sensor]:
    """Rows of `sdr elist` or `sdr type …`. Raises ParseError for text without a single row that isn't empty."""
    sensors = []
    for line in text.splitlines():
        cells = [clean(cell) for cell in line.split("|")]
        if len(cells) >= 5:
            sensors.append(Sensor(cells[0], cells[1], cells[2].lower(), cells[3], " ".join(cells[4:])))
    if not sensors and text.strip():
        raise ParseError(f"ipmitool sdr printed no sensor: {clean(text)[:100]}")
    return sensors


def power_supplies(sensors: list[Sensor]) -> list[PowerSupply]:
    """The supplies among the sensors of type "Power Supply": those that tell a state, not a number or redundancy. Where
    several sensors have one name (Dell calls each `Status`), the entity tells them apart: `Status 10.2`."""
    told = [one for one in sensors if not _is_number(one.reading) and not is_redundancy(one)]
    entities: dict[str, set[str]] = {}
    for sensor in told:
        entities.setdefault(sensor.name, set()).add(sensor.entity)
    found: dict[str, PowerSupply] = {}
    for sensor in told:
        name = supply_name(sensor.name)
        supply = _supply(f"{name} {sensor.entity}" if len(entities[sensor.name]) > 1 else name, sensor)
        known = found.get(supply.name)
        worse = supply.ok is False or (is_predicted(supply.reading) and (known is None or known.ok is not False))
        if known is None or (known.ok is None and supply.ok is not None) or worse:
            found[supply.name] = supply
    return list(found.values())


def supply_name(sensor: str) -> str:
    """`PS1 Status` is the sensor of PS1."""
    return _PSU_QUALIFIER.sub("", sensor) or sensor


def is_redundancy(sensor: Sensor) -> bool:
    return "redund" in f"{sensor.name} {sensor.reading}".lower()


def redundancy_lost(sensor: Sensor) -> bool | None:
    """None when the sensor has no reading, or is switched off: with one supply there is nothing to be redundant."""
    reading = sensor.reading.lower()
    if sensor.status == "ns" or reading in ("", "no reading", "disabled"):
        return None
    return not ("fully redundant" in reading or reading in ("redundant", "ok", "state deasserted"))


def supply_watts(sensors: list[Sensor], supplies: list[PowerSupply]) -> dict[str, float]:
    """Supply → watts, from the first sensor in watts whose name begins with the supply's: `PS1 Input Power`."""
    found: dict[str, float] = {}
    for sensor in sensors:
        match = re.match(r"(\d{1,9}(?:\.\d{1,9})?)\s*Watts", sensor.reading, re.IGNORECASE)
        names = [supply.name for supply in supplies if sensor.name.lower().startswith(supply.name.lower())]
        if match and names:
            found.setdefault(max(names, key=len), float(match[1]))
    return found


def fans(sensors: list[Sensor]) -> list[tuple[str, float | None]]:
    """Name and rpm of the fans among the sensors of type "Fan"; None where a fan gives no reading, or tells percent of
    its full speed, as HPE's do: it is there, and how fast it turns is not known."""
    found = []
    for sensor in sensors:
        match = re.match(r"(\d{1,9}(?:\.\d{1,9})?)\s*RPM", sensor.reading, re.IGNORECASE)
        if match:
            found.append((sensor.name, float(match[1])))
        elif (sensor.status == "ns" or "percent" in sensor.reading.lower()) and not is_redundancy(sensor):
            found.append((sensor.name, None))
    return found


def parse_sel(text: str) -> list[LogEntry]:
    """Entries of `sel elist`. An empty log is an empty list. Raises ParseError for anything else."""
    entries = []
    for line in text.splitlines():
        cells = [clean(cell) for cell in line.split("|")]
        if len(cells) >= 5 and re.fullmatch(r"[0-9a-fA-F]+", cells[0]):
            asserted = "deasserted" not in " ".join(cells[5:]).lower()
            entries.append(LogEntry(cells[0], cells[3], cells[4], asserted))
    if not entries and text.strip() and "no entries" not in text.lower():
        raise ParseError(f"ipmitool sel printed no entry: {clean(text)[:100]}")
    return entries


def parse_dcmi_power(text: str) -> float:
    """Watts of the whole system now. Raises ParseError where the BMC measures none."""
    match = re.search(r"Instantaneous power reading:\s*(\d{1,9})\s*Watts", text)
    if match is None:
        raise ParseError(f"the BMC gives no DCMI power reading: {clean(text)[:100]}")
    return float(match[1])


def is_predicted(reading: str) -> bool:
    """Whether a supply says that it will fail: the IPMI specification's state 02h of a power supply."""
    return _PREDICTED.search(reading) is not None


def _supply(name: str, sensor: Sensor) -> PowerSupply:
    reading = sensor.reading.lower()
    if sensor.status == "ns" or reading in ("", "no reading", "disabled"):
        return PowerSupply(name, present=False, ok=None, reading=sensor.reading)
    now = reading.replace("predictive failure", "")
    bad = any(word in now for word in ("fail", "lost", "out of range", "error", "inactive", "over", "critical"))
    absent = "absent" in reading or "not present" in reading
    # A state sensor lists what is asserted: a supply that is there asserts its presence.
    present = not absent and ("presence" in reading or "present" in reading or reading in ("ok", "0x01", "0x1"))
    present = present or (not absent and (bad or is_predicted(reading)))
    return PowerSupply(name, present=present, ok=present and not bad, reading=sensor.reading)


def _is_number(reading: str) -> bool:
    """Nothing but a number with its unit: HPE's `115 Watts, Presence detected` tells a state, too."""
    return re.fullmatch(r"-?[\d.]+\s+(Watts|Volts|Amps|degrees C|percent|RPM)", reading, re.IGNORECASE) is not None
