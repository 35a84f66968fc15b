"""What the BMC reports about the power supplies, and about the board, at one moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from agent.parsing import ParseError
from agent.probes.bmc import board_limits, ipmitool, redundancy, supplies, supply_inputs
from agent.probes.bmc.ipmitool import Sensor
from agent.probes.bmc.supplies import Condition, PowerSupply


@dataclass(frozen=True)
class Look:
    """What the BMC reports about the supplies at one moment. `conditions` are faults that belong to no supply in
    particular. `trouble` says why it reports nothing. `board` are the sensors of the board's voltages and temperatures,
    and `board_trouble` says why some are missing."""

    when: str
    supplies: list[PowerSupply]
    redundancy: list[Sensor]
    trouble: str = ""
    watts: dict[str, float] = field(default_factory=dict)
    conditions: list[Condition] = field(default_factory=list)
    board: list[Sensor] = field(default_factory=list)
    board_trouble: str = ""


def ask(when: str, names: Sequence[str] = ()) -> Look:
    """Ask the BMC now. `names` are the expected supplies."""

    def lacks(text: str) -> bool:
        return not _has_all(names, text)

    rows, trouble = ipmitool.sensors_of("Power Supply", lacks)
    if trouble:
        return Look(when, [], [], trouble, board_trouble=trouble)
    # Many BMCs have the redundancy of the supplies under this type.
    units, no_units = ipmitool.sensors_of("Power Unit") if rows else ([], "")
    volts, no_volts = ipmitool.sensors_of("Voltage")
    heat, no_heat = ipmitool.sensors_of("Temperature")
    look = Look(when, [], [], no_units or no_volts)
    if not rows:
        # A supply that was pulled keeps its sensor. Without any sensor the BMC has none.
        look = replace(look, trouble="the BMC has no sensor of a power supply")
    elif not look.trouble:
        rows += units
        look = seen(when, [*rows, *supply_inputs.of_supplies(rows, volts)])
    board = board_limits.measured([*volts, *heat], look.supplies)
    return replace(look, board=board, board_trouble=no_volts or no_heat)


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
