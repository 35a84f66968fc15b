"""What a network port is when the error counters are read: on USB, without a link. These are conditions and no errors,
so they never make a finding of their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# Names of counters, each 1 or 0.
NO_LINK, ON_USB = "port.no_link", "port.on_usb"
CONDITIONS = (NO_LINK, ON_USB)
Key = tuple[str, str, str]


@dataclass(frozen=True)
class PortStates:
    """MACs of ports. `came_up` had no link at the reading before a stage and have one at the reading after it.
    `without_link` have none at the reading after it."""

    on_usb: frozenset[str] = frozenset()
    came_up: frozenset[str] = frozenset()
    without_link: frozenset[str] = frozenset()


def between(before: Mapping[Key, int], after: Mapping[Key, int]) -> PortStates:
    """A port that was on USB at either reading counts, since it may be gone now."""
    down = _with(NO_LINK, before), _with(NO_LINK, after)
    linked = {part for (name, _, part), value in after.items() if name == NO_LINK and not value}
    return PortStates(_with(ON_USB, before) | _with(ON_USB, after), down[0] & linked, down[1])


def lasting(keys: Iterable[Key]) -> set[Key]:
    """The keys without conditions and without ports on USB. A BMC that restarts takes its port away for a while, so
    nothing is missed if that port has no counters."""
    keys = list(keys)
    on_usb = {part for name, _, part in keys if name == ON_USB}
    return {key for key in keys if key[0] not in CONDITIONS and not (key[1] == "nic" and key[2] in on_usb)}


def _with(condition: str, counts: Mapping[Key, int]) -> frozenset[str]:
    return frozenset(part for (name, _, part), value in counts.items() if name == condition and value)
