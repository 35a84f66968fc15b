"""Redundancy among the BMC's sensors, for supplies and fans alike. States: IPMI 2.0, table 42-2, event type 0Bh."""

from __future__ import annotations

import re

from agent.probes.bmc.ipmitool import Sensor

_LOST = ("redundancy lost", "redundancy degraded", "non redundant")
_KEPT = frozenset({"fully redundant", "redundant", "ok", "transition to ok"})
# The name of a sensor with two states says what it means: `PSU Redundancy Lost`. `PSU Redundancy` alone may mean
# either.
_NAMED_LOST = re.compile(r"(?i)lost|fail|fault|degrad|\berr")


def is_redundancy(sensor: Sensor) -> bool:
    """Whether the sensor is about redundancy. Cisco's is called `PS_RDNDNT_MODE`."""
    return re.search("redund|rdndnt", f"{sensor.name} {sensor.reading}".lower()) is not None


def lost(sensor: Sensor) -> bool | None:
    """None if the sensor has no reading, is switched off, or gives an unknown state: with a single supply there is no
    redundancy."""
    if sensor.status == "ns":
        return None
    states = [" ".join(part.split()) for part in sensor.reading.lower().replace("-", " ").split(",")]
    if any(word in state for state in states for word in _LOST):
        return True
    if "state asserted" in states or "state deasserted" in states:
        return "state asserted" in states if _NAMED_LOST.search(sensor.name.replace("_", " ")) else None
    return False if _KEPT & set(states) else None
