"""The error counters that are read around every stage, and the sensors that only a command can read. One line each."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from agent.contract import wire
from agent.counters import bmc_log, command_counters, infiniband_counters, pcie_ends, sysfs_counters
from agent.counters.component_names import Names
from agent.counters.counting import Counts, Source

KERNEL: tuple[Callable[[Names], Counts], ...] = (
    sysfs_counters.edac,
    sysfs_counters.aer,
    sysfs_counters.machine_checks,
    sysfs_counters.throttling,
    sysfs_counters.ports,
    sysfs_counters.driver_errors,
    infiniband_counters.read,
    sysfs_counters.gone,
)
_EVENT_LOG = bmc_log.EventLog()
COMMANDS: tuple[Callable[[Names], Counts], ...] = (
    command_counters.drives,
    _EVENT_LOG,
    command_counters.gpus,
)
SLOW_SENSORS: tuple[Callable[[], list[wire.Measurement]], ...] = (command_counters.bmc_sensors,)


def of(names: Callable[[], Names]) -> tuple[Source, ...]:
    """Every source, as the counter book reads it. `names` is called each time, since the inventory is made later."""
    return tuple(partial(_read, source, names) for source in (*KERNEL, *COMMANDS))


def said(delta: wire.CounterDelta, root: Path = Path("/")) -> str:
    """What is known of a delta beside its number: quoted log entries, both ends of a link. Empty without any."""
    return _EVENT_LOG.said(delta) or pcie_ends.words(delta, root)


def _read(source: Callable[[Names], Counts], names: Callable[[], Names]) -> Counts:
    return source(names())
