"""Parts that may be behind a controller that was not ready. They were not seen, so they are not compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from agent.contract import wire
from runs.judging.specdiff import adapters
from runs.judging.specdiff.difference import Difference, Spec
from runs.judging.specdiff.disk_identity import matches

_DISKS, _PORTS = ("storage", "any"), ("network", "any")


def may_hide(spec: Spec, not_ready: Sequence[wire.Unready]) -> bool:
    """Whether the expected disk may be behind one of these controllers, by its bus."""
    return any(_fits(spec, one) for one in not_ready)


def may_hide_ports(not_ready: Sequence[wire.Unready]) -> bool:
    return any(one.kind in _PORTS for one in not_ready)


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


def not_compared(expected: Spec, inventory: wire.Inventory) -> Iterator[str]:
    """One sentence for each expected disk and port that was not seen for this reason."""
    for spec in expected.get("disks") or []:
        name = spec.get("serial") or spec.get("wwn") or ""
        seen = any(matches(spec, disk) for disk in inventory.disks)
        if not seen and (why := _first(one for one in inventory.unready if _fits(spec, one))):
            yield f"disks[{name}] could not be compared: {why}"
    macs = {nic.mac.lower() for nic in inventory.nics}
    of_ports = _first(one for one in inventory.unready if one.kind in _PORTS)
    for spec in (expected.get("nics") or []) if of_ports else []:
        if spec["mac"].lower() not in macs:
            yield f"nics[{spec['mac']}] could not be compared: {of_ports}"


def _fits(spec: Spec, one: wire.Unready) -> bool:
    if spec.get("bus") == "usb":
        return one.kind == "any"
    return one.kind in _DISKS and (not one.buses or not spec.get("bus") or spec["bus"] in one.buses)


def _first(found: Iterator[wire.Unready]) -> str:
    return next((one.why for one in found), "")
