"""What the absence of errors proves about a link: how many bits it carried while its error counters were watched, and
the error rate that this excludes.

Without an error in n bits the rate is below 3/n with a confidence of 95 % (the rule of three). With some errors it is
below the rate at which so few would come with a probability of 5 % (Poisson). A damaged packet counts as one wrong bit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.contract import wire
from agent.counters.component_names import Names
from agent.counters.counting import Counts, Key
from agent.host import identity, sysfs

# With fewer bits the bound says nothing about a link: 1e-9 is a thousand times what Ethernet and PCI Express allow.
LEAST_BITS = 3e9
CONFIDENCE_PERCENT = 95
_MISSED = 1 - CONFIDENCE_PERCENT / 100
_RULE_OF_THREE = 3.0
# More errors than this prove a bad link, and need no bound.
_MOST_ERRORS = 1000
_SECTOR_BYTES, _BITS = 512, 8
# Of a line of /sys/block/*/stat: sectors read, sectors written (Documentation/block/stat.rst).
_READ, _WRITTEN = 2, 6
# Counters of damage on the link itself, by kind of part.
_DAMAGE: Mapping[str, tuple[str, ...]] = {
    "nic": ("nic.",),
    "disk": ("aer.damaged.", "smart.crc_errors", "drive.sas_link"),
}
_NO_DAMAGE = ("nic.link_down", "nic.ib.link_downed", "nic.tx_errors", "nic.collisions", "nic.tx_carrier_errors")

Part = tuple[str, str]
Carried = Mapping[Part, int]


@dataclass(frozen=True)
class Bound:
    """What is known of the link of one part."""

    kind: str
    component: str
    bits: int
    errors: int

    @property
    def rate(self) -> float:
        """Errors per bit, below which the rate is."""
        return most_expected(self.errors) / self.bits

    def words(self) -> str:
        seen = "no error" if not self.errors else f"{self.errors} errors" if self.errors > 1 else "1 error"
        return f"{seen} in {_short(self.bits)} bits: below {_short(self.rate)} with {CONFIDENCE_PERCENT} %"


def carried(names: Names) -> Carried:
    """The bytes that each link carried since the boot: what network ports received (what they send is counted at the
    other end), what disks read and wrote."""
    found: dict[Part, int] = {}
    for name, mac in identity.physical_nics(names.root):
        received = sysfs.integer(names.root / "sys/class/net" / name / "statistics/rx_bytes")
        if received is not None:
            found["nic", mac] = received
    for disk in names.inventory.disks if names.inventory else []:
        moved = _moved(names.root / "sys/block" / disk.name)
        if moved is not None and disk.bus in ("nvme", "sata", "sas"):
            part = ("disk", disk.serial or disk.name)
            found[part] = found.get(part, 0) + moved
    return found


def bounds(before: Carried, after: Carried, counts: Counts, deltas: Iterable[wire.CounterDelta]) -> list[Bound]:
    """One for each link that carried enough, and whose damage is counted. `counts` is the last reading of all
    counters."""
    rises: dict[Part, int] = {}
    for delta in deltas:
        if _is_damage((delta.counter, delta.component_kind, delta.component)):
            part = (delta.component_kind, delta.component)
            rises[part] = rises.get(part, 0) + delta.after - delta.before
    watched = {(kind, name) for counter, kind, name in counts if _is_damage((counter, kind, name))}
    found = []
    for part, total in after.items():
        bits = (total - before.get(part, total)) * _BITS
        if part in watched and bits >= LEAST_BITS and rises.get(part, 0) <= _MOST_ERRORS:
            found.append(Bound(*part, bits, rises.get(part, 0)))
    return found


def numbers(found: Iterable[Bound]) -> dict[str, float]:
    """`link_gbit`: what the link carried. `link_error_rate_per_tbit`: its errors in 1e12 bits are fewer than this."""
    made: dict[str, float] = {}
    for one in found:
        made[f"link_gbit.{one.component}"] = one.bits / 1e9
        made[f"link_error_rate_per_tbit.{one.component}"] = one.rate * 1e12
    return made


def most_expected(errors: int) -> float:
    """The mean of which so few errors or fewer come with a probability of 5 %."""
    if errors == 0:
        return _RULE_OF_THREE
    low, high = float(errors), errors + 10 * math.sqrt(errors) + 10
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _so_few(errors, middle) > _MISSED else (low, middle)
    return high


def _short(value: float) -> str:
    """`2.1e12`."""
    digits, _, exponent = f"{value:.1e}".partition("e")
    return f"{digits}e{int(exponent)}"


def _so_few(errors: int, mean: float) -> float:
    """The probability of at most so many errors (Poisson)."""
    logs = (-mean + k * math.log(mean) - math.lgamma(k + 1) for k in range(errors + 1))
    return math.fsum(map(math.exp, logs))


def _is_damage(key: Key) -> bool:
    counter, kind, _ = key
    return counter.startswith(_DAMAGE.get(kind, ())) and not counter.startswith(_NO_DAMAGE)


def _moved(block: Path) -> int | None:
    fields = sysfs.text(block / "stat").split()
    try:
        return (int(fields[_READ]) + int(fields[_WRITTEN])) * _SECTOR_BYTES
    except (ValueError, IndexError):
        return None
