"""What the BMC reports about the power supplies at one moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from agent.parsing import ParseError
from agent.probes.bmc import ipmitool, redundancy, supplies, supply_inputs
from agent.probes.bmc.ipmitool import Sensor
from agent.probes.bmc.supplies import Condition, PowerSupply


@dataclass(frozen=True)
class Look:
    """What the BMC reports about the supplies at one moment. `conditions` are faults that belong to no supply in
    particular. `trouble` says why it reports nothing."""

    when: str
    supplies: list[PowerSupply]
    redundancy: list[Sensor]
    trouble: str = ""
    watts: dict[str, float] = field(default_factory=dict)
    conditions: list[Condition] = field(default_factory=list)


def ask(when: str, names: Sequence[str] = ()) -> Look:
    """Ask the BMC now. `names` are the expected supplies."""

    def lacks(text: str) -> bool:
        return not _has_all(names, text)

    rows, trouble = ipmitool.sensors_of("Power Supply", lacks)
    if not rows:
        # A supply that was pulled keeps its sensor. Without any sensor, the BMC can't be asked, or has none.
        return Look(when, [], [], trouble or "the BMC has no sensor of a power supply")
    # Many BMCs have the redundancy of the supplies under this type.
    units, no_units = ipmitool.sensors_of("Power Unit")
    volts, no_volts = ipmitool.sensors_of("Voltage")
    if no_units or no_volts:
        return Look(when, [], [], no_units or no_volts)
    rows += units
    return seen(when, [*rows, *supply_inputs.of_supplies(rows, volts)])


def _has_all(names: Sequence[str], text: str) -> bool:
    """Whether all supplies of these names have a sensor in the output."""
    try:
        listed = seen("", ipmitool.parse_sdr(text))
    except ParseError:
        return True
    return all(find(name, listed) for name in names)


def seen(when: str, rows: list[Sensor]) -> Look:
    """Make a Look from the BMC's power sensors."""
    found = supply_inputs.judged(supplies.power_supplies(rows), rows)
    of_redundancy = [sensor for sensor in rows if redundancy.is_redundancy(sensor)]
    watts = supplies.supply_watts(rows, found)
    return Look(when, found, of_redundancy, watts=watts, conditions=supplies.conditions(rows))


def find(name: str, look: Look) -> PowerSupply | None:
    exact = next((supply for supply in look.supplies if supply.name.lower() == name.lower()), None)
    return exact or next((supply for supply in look.supplies if supplies.same_supply(supply.name, name)), None)
