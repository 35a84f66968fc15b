"""How many of the machines with a kind of fault were found, and the smallest fault among them. Pure.

Bounds are those of Clopper and Pearson (Biometrika 26, 1934), 95 %, two-sided.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from tests.rack.machinefile import Machine
from tests.rack.zoo.judging import Judged
from tests.rack.zoo.results import Result
from tests.rack.zoo.specimen import Specimen

_ALPHA = 0.05
_HALVINGS = 60
FOUND = (Judged.MET, Judged.OTHERWISE)


@dataclass(frozen=True)
class Fault:
    """A kind of fault. `sizes` are how large it is on a machine, empty if the machine has none; `least` says which of
    two sizes is the smaller fault."""

    title: str
    sizes: Callable[[Machine], Sequence[float]]
    unit: str = ""
    least: Callable[[Iterable[float]], float] = min


def _count(has: Callable[[Machine], object]) -> Callable[[Machine], Sequence[float]]:
    """For faults without a size of their own: whether the machine has it."""
    return lambda machine: (1.0,) if has(machine) else ()


def _events(*names: str) -> Callable[[Machine], Sequence[float]]:
    return _count(lambda machine: any(event.do in names for event in machine.events))


def _finds(prefix: str) -> Callable[[Machine], Sequence[float]]:
    return _count(lambda machine: any(code.startswith(prefix) for code in machine.outcome.findings))


FAULTS = (
    Fault("sectors that can't be read", lambda m: [len(d.bad_sectors) for d in m.disks if d.bad_sectors], "sectors"),
    Fault("sectors that can't be written", lambda m: [len(d.bad_writes) for d in m.disks if d.bad_writes], "sectors"),
    Fault(
        "a disk that returns other data",
        lambda m: [len(d.corrupt_after_write) for d in m.disks if d.corrupt_after_write],
        "sectors",
    ),
    Fault("a slow disk", lambda m: [d.bps_total / 1e6 for d in m.disks if d.bps_total], "MB/s", max),
    Fault("a disk with few requests a second", lambda m: [d.iops_total for d in m.disks if d.iops_total], "IOPS", max),
    Fault("a cable that loses packets", lambda m: [n.loss_percent for n in m.nics if n.loss_percent], "%"),
    Fault(
        "a cable that is slower than its link",
        lambda m: [100 * n.rate_mbit / n.speed_mbit for n in m.nics if n.rate_mbit and n.rate_mbit < n.speed_mbit],
        "% of the link",
        max,
    ),
    Fault("a link that goes down", _events("link_down", "link_flap")),
    Fault("a drive that warns", _events("nvme_critical_warning")),
    Fault("a machine check", _events("mce")),
    Fault("a host that hangs, resets or loses power", _events("stop", "system_reset", "quit")),
    Fault("a power supply that fails", _finds("psu.")),
    Fault("a fan", _finds("fan.")),
    Fault("a part that is missing, less or another one", _finds("spec.")),
)


@dataclass(frozen=True)
class Rate:
    """`found` of `runs` in a profile. `smallest` is the smallest fault that was found in each run of its machine."""

    fault: Fault
    profile: str
    found: int
    runs: int
    smallest: float | None


def of(specimens: Sequence[Specimen], record: Sequence[Result]) -> Iterator[Rate]:
    """Of all runs on record of the machine files as they are now."""
    for fault in FAULTS:
        broken = [one for one in specimens if not one.is_healthy and _is_wanted(one.machine, fault)]
        for profile in sorted({one.machine.profile for one in broken}):
            outcomes = {one.name: _found(one, record) for one in broken if one.machine.profile == profile}
            tried = [found for each in outcomes.values() for found in each]
            always = [one.machine for one in broken if outcomes.get(one.name) and all(outcomes[one.name])]
            sizes = [size for machine in always for size in fault.sizes(machine)] if fault.unit else []
            if tried:
                yield Rate(fault, profile, sum(tried), len(tried), fault.least(sizes) if sizes else None)


def _is_wanted(machine: Machine, fault: Fault) -> bool:
    """A fault that must be found: a slow cable that the file says is to pass proves no detection."""
    wanted = machine.outcome
    return bool(fault.sizes(machine)) and bool(wanted.components or wanted.findings or wanted.warnings)


def _found(one: Specimen, record: Iterable[Result]) -> list[bool]:
    return [result.judged in FOUND for result in record if (result.machine, result.file) == (one.name, one.digest)]


def bounds(found: int, runs: int) -> tuple[float, float]:
    """The lowest and highest probability, 0 to 1, that is compatible with `found` of `runs` at 95 %."""
    low = 0.0 if found == 0 else _root(lambda p: _at_least(found, runs, p) - _ALPHA / 2)
    high = 1.0 if found == runs else _root(lambda p: _ALPHA / 2 - (1 - _at_least(found + 1, runs, p)))
    return low, high


def _at_least(found: int, runs: int, p: float) -> float:
    """The probability of so many or more."""
    return math.fsum(math.comb(runs, k) * p**k * (1 - p) ** (runs - k) for k in range(found, runs + 1))


def _root(rising: Callable[[float], float]) -> float:
    """Where a rising function of 0 to 1 is zero."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if rising(middle) > 0 else (middle, high)
    return (low + high) / 2
