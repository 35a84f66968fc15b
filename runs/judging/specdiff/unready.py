"""Parts that may be behind a controller that was not ready. They were not seen, so they are not compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from agent.contract import wire
from runs.judging.specdiff import adapters
from runs.judging.specdiff.difference import Difference, Spec
from runs.judging.specdiff.disk_identity import name_of

_DISKS, _PORTS = ("storage", "any"), ("network", "any")


@dataclass(frozen=True)
class Excuse:
    """Whether an absent part may be behind a controller that was not ready. `why` says which; it is empty if the part
    is missing. `limit` is then what a message adds: more are absent than these controllers can have."""

    why: str = ""
    limit: str = ""


def of_disks(absent: Sequence[Spec], not_ready: Sequence[wire.Unready]) -> dict[str, Excuse]:
    """By the name of each expected disk that is `absent`."""
    return _excuses([(name_of(spec), [one for one in not_ready if _fits(spec, one)]) for spec in absent], "disks")


def of_ports(absent: Sequence[Spec], not_ready: Sequence[wire.Unready]) -> dict[str, Excuse]:
    """By the MAC of each expected network port that is `absent`."""
    cards = [one for one in not_ready if one.kind in _PORTS]
    return _excuses([(spec["mac"], cards) for spec in absent], "ports")


def _excuses(fitting: Sequence[tuple[str, list[wire.Unready]]], words: str) -> dict[str, Excuse]:
    """`fitting` has each absent part with the controllers that it may be behind. If all of these have a bound, and more
    parts are absent than that, none of them is excused: nothing says which of them is gone."""
    bounded = {name: ones for name, ones in fitting if ones and all(one.most is not None for one in ones)}
    room = {one.slot: one.most or 0 for ones in bounded.values() for one in ones}
    limit = (
        f"; {len(bounded)} such {words} are absent, and {' and '.join(room)}, not ready, can have {sum(room.values())}"
    )
    over = bounded if len(bounded) > sum(room.values()) else {}
    return {
        name: Excuse(limit=limit) if name in over else Excuse(why=ones[0].why if ones else "") for name, ones in fitting
    }


def compare_adapters(wanted: list[Spec], inventory: wire.Inventory, pinned: frozenset[str]) -> Iterator[Difference]:
    """A storage controller that was not ready is the expected one, whatever its drives. If none is expected, it is no
    difference: with its driver it may be no adapter but a part of the board, or a card with ports."""
    slots = {one.slot for one in inventory.unready}
    there = [
        replace(one, kind="storage") if one.kind == wire.HIDDEN_DRIVES and one.slot in slots else one
        for one in inventory.adapters
    ]
    names = {one.serial or one.slot for one in there if one.slot in slots}
    for difference in adapters.adapters(wanted, there, pinned):
        if difference.code != "spec.unexpected" or difference.component not in names:
            yield difference


def not_compared(disks: Sequence[Spec], ports: Sequence[Spec], not_ready: Sequence[wire.Unready]) -> list[str]:
    """One sentence for each of these absent disks and ports that was not seen for this reason."""
    excuses = {"disks": of_disks(disks, not_ready), "nics": of_ports(ports, not_ready)}
    return [
        f"{kind}[{name}] could not be compared: {one.why}"
        for kind, by_name in excuses.items()
        for name, one in by_name.items()
        if one.why
    ]


def _fits(spec: Spec, one: wire.Unready) -> bool:
    if spec.get("bus") == "usb":
        return one.kind == "any"
    return one.kind in _DISKS and (not one.buses or not spec.get("bus") or spec["bus"] in one.buses)
