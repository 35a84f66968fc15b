"""Power supplies without mains that only report that they are present. Their own sensor of the input voltage shows the
failure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from agent.probes.bmc import supplies
from agent.probes.bmc.ipmitool import Sensor
from agent.probes.bmc.supplies import PowerSupply

_VOLTS = re.compile(r"(\d{1,6}(?:\.\d{1,9})?) *Volts", re.IGNORECASE)
# The outputs of a supply are below this voltage; mains, and the 48 V of some data centres, are above it.
_LEAST_INPUT_V = 20.0
# A sensor without mains reads noise up to this voltage.
_NOISE = 0.1


def of_supplies(rows: list[Sensor], volts: Iterable[Sensor]) -> list[Sensor]:
    """The sensors of voltage that belong to one of the supplies in `rows`. BMCs list them under a type of their own."""
    found = supplies.power_supplies(rows)
    return [sensor for sensor in volts if supplies.owner_of(sensor, found)]


def judged(found: list[PowerSupply], sensors: Iterable[Sensor]) -> list[PowerSupply]:
    """The supplies. A supply whose input reads 0 V has failed if the same sensor of another supply shows a voltage. If
    no supply shows one, the inputs are not measured."""
    read = [(one, sensor, volts) for sensor in sensors if (volts := _volts(sensor)) is not None
            and (one := supplies.owner_of(sensor, found))]  # fmt: skip
    dead: dict[str, str] = {}
    for one, sensor, volts in read:
        peers = [(other.name, most) for _, other, most in read if _kind(other) == _kind(sensor)]
        name, most = max(peers, key=lambda peer: peer[1])
        if most >= _LEAST_INPUT_V and volts < most * _NOISE:
            dead.setdefault(one.name, f"{sensor.name}: {sensor.reading}, while {name} shows {most:g} Volts")
    return [_without_mains(one, dead[one.name]) if one.name in dead else one for one in found]


def _without_mains(one: PowerSupply, words: str) -> PowerSupply:
    return replace(one, ok=False, reading=words) if one.present and one.ok is not False else one


def _kind(sensor: Sensor) -> str:
    return re.sub(r"\d+", "#", sensor.name.lower())


def _volts(sensor: Sensor) -> float | None:
    match = _VOLTS.fullmatch(sensor.reading)
    return float(match[1]) if match and sensor.status != "ns" else None
