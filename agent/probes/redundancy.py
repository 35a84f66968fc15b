"""Redundancy among the BMC's sensors, of supplies and of fans alike. States: IPMI 2.0, table 42-2, event type 0Bh."""

from __future__ import annotations

import re

from agent.probes.ipmitool import Sensor

_LOST = ("redundancy lost", "redundancy degraded", "non redundant")
_KEPT = frozenset({"fully redundant", "redundant", "ok", "transition to ok"})
# What a sensor of two states says is in its name: `PSU Redundancy Lost`. `PSU Redundancy` alone may mean either.
_NAMED_LOST = re.compile(r"(?i)lost|fail|fault|degrad|\berr")


def is_redundancy(sensor: Sensor) -> bool:
    """Cisco's is called `PS_RDNDNT_MODE`."""
    return re.search("redund|rdndnt", f"{sensor.name} {sensor.reading}".lower()) is not None


def lost(sensor: Sensor) -> bool | None:
    """None when the sensor has no reading, is switched off, or says what nobody knows: with one supply there is nothing
    to be redundant."""
    if sensor.status == "ns":
        return None
    states = [" ".join(part.split()) for part in sensor.reading.lower().replace("-", " ").split(",")]
    if any(word in state for state in states for word in _LOST):
        return True
    if "state asserted" in states or "state deasserted" in states:
        return "state asserted" in states if _NAMED_LOST.search(sensor.name.replace("_", " ")) else None
    return False if _KEPT & set(states) else None
