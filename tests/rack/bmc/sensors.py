"""The sensors of the controller and their records (IPMI 2.0, chapter 43: SDR), and what they can say in the
event log."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal

RPM_PER_COUNT = 100
LOWEST_GOOD_RPM = 500
PSU_PRESENT, PSU_FAILED = 0x01, 0x02

Kind = Literal["psu", "fan"]
_SENSOR_TYPE = {"psu": 0x08, "fan": 0x04}
_READING_TYPE = {"psu": 0x6F, "fan": 0x01}  # sensor-specific states; thresholds
_ENTITY = {"psu": 0x0A, "fan": 0x1D}
_OWNER, _SDR_VERSION = 0x20, 0x51
_UNIT_RPM = 18

# What an entry of the event log can say of a part, as ipmitool words it, and its number (IPMI 2.0, tables
# 42-2 and 42-3).
EVENT_TEXTS: dict[Kind, dict[str, int]] = {
    "psu": {
        "Presence detected": 0,
        "Failure detected": 1,
        "Predictive failure": 2,
        "Power Supply AC lost": 3,
        "AC lost or out-of-range": 4,
        "Config Error": 6,
    },
    "fan": {"Lower Non-critical going low": 0, "Lower Critical going low": 2, "Upper Critical going high": 9},
}


@dataclass
class Sensor:
    """`value` is the PSU's bit mask of states, or the fan's revolutions per minute."""

    number: int
    kind: Kind
    name: str
    instance: int
    value: int

    def reading(self) -> bytes:
        """The answer to Get Sensor Reading: raw value, flags, states."""
        enabled = 0xC0
        if self.kind == "psu":
            return struct.pack("<BBBB", 0, enabled, self.value, 0x80)
        below_critical = 0x02 if self.value < LOWEST_GOOD_RPM else 0
        return struct.pack("<BBB", self.value // RPM_PER_COUNT, enabled, below_critical)

    def record(self, record_id: int) -> bytes:
        """The sensor data record, header included."""
        body = self._state_body() if self.kind == "psu" else self._fan_body()
        name = self.name.encode("ascii", "replace")
        body += bytes([0xC0 | len(name)]) + name
        kind = 0x02 if self.kind == "psu" else 0x01
        return struct.pack("<HBBB", record_id, _SDR_VERSION, kind, len(body)) + body

    def event(self, record_id: int, time: int, text: str) -> bytes:
        """An entry of the event log, asserted; `text` one of EVENT_TEXTS."""
        what = struct.pack(
            "<BBBBBB", _SENSOR_TYPE[self.kind], self.number, _READING_TYPE[self.kind],
            EVENT_TEXTS[self.kind][text], 0xFF, 0xFF,
        )  # fmt: skip
        system_event, revision = 0x02, 0x04
        return struct.pack("<HBIHB", record_id, system_event, time, _OWNER, revision) + what

    def _key(self) -> bytes:
        return bytes([_OWNER, 0, self.number, _ENTITY[self.kind], self.instance])

    def _state_body(self) -> bytes:
        """A compact record (type 02h): states only."""
        initialise, rearm, mask, no_reading = 0x67, 0x40, 0x000F, 0xC0
        body = struct.pack("<BBBBHHH", initialise, rearm, _SENSOR_TYPE["psu"], _READING_TYPE["psu"], mask, mask, mask)
        return self._key() + body + struct.pack("<BBB", no_reading, 0, 0) + bytes(8)

    def _fan_body(self) -> bytes:
        """A full record (type 01h): a reading in revolutions per minute with a lower critical threshold."""
        initialise, thresholds_readable, lower_critical = 0x7F, 0x44, 0x02
        body = struct.pack(
            "<BBBBHHBB",
            initialise,
            thresholds_readable,
            _SENSOR_TYPE["fan"],
            _READING_TYPE["fan"],
            0,
            0,
            lower_critical,
            0,
        )
        units = struct.pack("<BBBB", 0, _UNIT_RPM, 0, 0)
        factors = struct.pack("<BBBBBB", RPM_PER_COUNT, 0, 0, 0, 0, 0)
        limits = bytes([0, 0, 0, 0, 0xFF, 0, 0, 0, 0, 0, LOWEST_GOOD_RPM // RPM_PER_COUNT, 0, 0, 0])
        return self._key() + body + units + factors + limits + bytes(3)
