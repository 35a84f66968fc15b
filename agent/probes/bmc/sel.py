"""Parses the BMC's event log as `ipmitool sel elist` and `sel list` print it.

A line is `record | date | time | type of the sensor, then its name | event | direction | reading`. Nothing separates
the type from the name, so ipmitool's list of types is used (lib/ipmi_strings.c, `ipmi_generic_sensor_type_vals`; other
words for the same types: versions up to 1.8.12, FreeIPMI).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.parsing import ParseError, clean

# The name of a type in some version → its name in the newest one, in small letters.
_SPELLED = {
    "drive slot": "drive slot / bay", "drive slot (bay)": "drive slot / bay", "drive slot/bay": "drive slot / bay",
    "watchdog 1": "watchdog1", "watchdog 2": "watchdog2", "module/board": "module / board",
    "slot/connector": "slot / connector", "cable/interconnect": "cable / interconnect",
    "microcontroller/coprocessor": "microcontroller", "os stop/shutdown": "os critical stop",
    "system firmware": "system firmwares", "system firmware progress": "system firmwares",
    "system firmware error": "system firmwares", "system firmware hang": "system firmware hang",
    "management subsystem health": "management subsys health", "oem record": "oem record", "unknown": "unknown",
    "oem": "unknown",
}  # fmt: skip
_NEWEST = (
    "temperature", "voltage", "current", "fan", "physical security", "platform security", "processor", "power supply",
    "power unit", "cooling device", "other", "memory", "drive slot / bay", "post memory resize", "system firmwares",
    "event logging disabled", "watchdog1", "system event", "critical interrupt", "button", "module / board",
    "microcontroller", "add-in card", "chassis", "chip set", "other fru", "cable / interconnect", "terminator",
    "system boot initiated", "boot error", "os boot", "os critical stop", "slot / connector",
    "system acpi power state", "watchdog2", "platform alert", "entity presence", "monitor asic", "lan",
    "management subsys health", "battery", "session audit", "version change", "fru state",
)  # fmt: skip
TYPES: dict[str, str] = {**{word: word for word in _NEWEST}, **_SPELLED}
_LONGEST_FIRST = sorted(TYPES, key=len, reverse=True)
_RECORD = re.compile(r"[0-9a-fA-F]{1,8}")
# The time of a BMC whose clock was not set: the time since its start, or nothing at all (lib/ipmi_time.c since 1.8.19).
_DATE = re.compile(
    r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}( .*)?|S\+ \d\d/\d{1,3}|Pre-Init|PostInit|Unspecified", re.IGNORECASE
)
_TIME = re.compile(r"\d{1,2}:\d\d:\d\d( .*)?|\d{6,10}|Pre-Init|PostInit|Unspecified", re.IGNORECASE)
_DIRECTIONS = ("asserted", "deasserted")
# Written by Linux itself when it panics (drivers/char/ipmi/ipmi_msghandler.c, records of type F0h).
_PANIC = "Linux kernel panic"


@dataclass(frozen=True)
class LogEntry:
    """One entry. `sensor` is type and name as printed. `kind` is the type as the newest ipmitool writes it, in small
    letters, empty for an unknown one. `name` is the rest, which may be `#0xeb`. `is_whole`: no cell is missing."""

    record: str
    sensor: str
    text: str
    asserted: bool
    kind: str = ""
    name: str = ""
    reading: str = ""
    when: str = ""
    is_whole: bool = True

    @property
    def mark(self) -> tuple[object, ...]:
        """What distinguishes it from any other entry. The sensor's name is not part of it, since ipmitool may print a
        number instead when it was busy."""
        return (self.record, self.when, self.text, self.asserted)

    @property
    def quote(self) -> str:
        """The entry's text for a finding."""
        said = self.text or "an event that ipmitool has no word for"
        direction = "" if self.asserted else ", deasserted"
        return f'"{self.sensor}: {said}{direction}{f" ({self.reading})" if self.reading else ""}"'


def parse(text: str) -> list[LogEntry]:
    """All entries. An empty log is an empty list. Raises ParseError for a text without any entry."""
    entries = [entry for line in text.splitlines() if (entry := _entry(line))]
    if not entries and text.strip() and not _says_empty(text):
        raise ParseError(f"ipmitool sel printed no entry: {clean(text)[:100]}")
    return entries


def unread(text: str) -> list[str]:
    """The lines that are no entries."""
    return [clean(line) for line in text.splitlines() if clean(line) and not _entry(line) and not _says_empty(line)]


def _says_empty(text: str) -> bool:
    return "no entries" in text.lower()


def _entry(line: str) -> LogEntry | None:
    record, *cells = (clean(cell) for cell in line.split("|"))
    if not cells or not _RECORD.fullmatch(record):
        return None
    if cells[0].startswith(_PANIC):
        return LogEntry(record, "OS Critical Stop", cells[0], asserted=True, kind="os critical stop")
    when = []
    for pattern in (_DATE, _TIME):
        if cells and pattern.fullmatch(cells[0]):
            when.append(cells.pop(0))
    if len(cells) < 2 or not cells[0] or cells[1].lower() in _DIRECTIONS:
        torn = " | ".join(cell for cell in cells if cell)
        return LogEntry(record, torn, "", asserted=True, when=" ".join(when), is_whole=False) if torn else None
    # Records of makers (types E0h to FFh) may have no time.
    sensor, *said = cells
    is_oem = sensor.startswith("OEM record")
    is_whole = is_oem or (len(when) == 2 and _has_direction(said))
    text, asserted, reading = _event(said)
    kind, name = _kind_and_name(sensor)
    return LogEntry(record, sensor, text, asserted, kind, name, reading, " ".join(when), is_whole)


def _has_direction(said: list[str]) -> bool:
    """Whether the cell after the event is a direction, or there never was one."""
    is_old = len(said) == 1 or said[1].startswith("Reading")
    return is_old or any(cell.lower() in _DIRECTIONS for cell in said[1:])


def _event(said: list[str]) -> tuple[str, bool, str]:
    """The event, its direction, and the reading. A maker's text may contain bars. Versions up to 1.8.9 print no
    direction."""
    for number, cell in enumerate(said):
        if number and cell.lower() in _DIRECTIONS:
            return " | ".join(said[:number]), cell.lower() == _DIRECTIONS[0], " | ".join(said[number + 1 :])
    return said[0], True, " | ".join(said[1:])


def _kind_and_name(sensor: str) -> tuple[str, str]:
    small = sensor.lower()
    for word in _LONGEST_FIRST:
        if small.startswith(word) and (len(small) == len(word) or small[len(word)] == " "):
            return TYPES[word], sensor[len(word) :].strip()
    return "", sensor
