"""Which error counters are read around every stage, and which sensors cost a command. One line each."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from agent import sysfs_counters, wire
from agent.counters import Counts, Source
from agent.names import Names

KERNEL: tuple[Callable[[Names], Counts], ...] = (
    sysfs_counters.edac,
    sysfs_counters.aer,
    sysfs_counters.machine_checks,
    sysfs_counters.throttling,
    sysfs_counters.ports,
    sysfs_counters.wires,
)
# Of agent/probes: SMART and NVMe error counts, the BMC's event log, GPU ECC.
COMMANDS: tuple[Source, ...] = ()
# Of agent/probes: the BMC's temperatures, fans and power.
SLOW_SENSORS: tuple[Callable[[], list[wire.Measurement]], ...] = ()


def of(names: Callable[[], Names]) -> tuple[Source, ...]:
    """Every source, as the counter book reads it; `names` is asked each time, since the inventory comes
    later."""
    return (*(partial(_read, source, names) for source in KERNEL), *COMMANDS)


def _read(source: Callable[[Names], Counts], names: Callable[[], Names]) -> Counts:
    return source(names())
