"""Cards that the kernel can't use, so that no stage tests what they lead to: network cards that no driver took (they
lost their own firmware, or the live image has no driver for them), and storage controllers whose drives are hidden."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from agent.contract import wire
from agent.probes.bus import adapters
from agent.reports.checks import not_tested


@dataclass(frozen=True)
class _Kind:
    """A profile requires the check `required`. The check `known` only says what is not tested. `topic` is the word of
    `not_expected`."""

    required: str
    known: str
    topic: str
    why: str
    cure: str


_KINDS = {
    adapters.NETWORK: _Kind(
        "nics",
        "nic_driver",
        "network",
        "no driver took this network card, so none of its ports is tested",
        "if the live image has no driver for it, list it among the spec's adapters (adopting does that)",
    ),
    wire.HIDDEN_DRIVES: _Kind(
        "disk_serials",
        "hidden_drives",
        "storage",
        "the drives behind this storage controller are hidden, so none of them is listed or tested: no driver took "
        "it, or the firmware is in RAID mode",
        "set AHCI or NVMe instead of RAID (RST, VMD) in the firmware; if it has no drives, or none that must be "
        "tested, list it among the spec's adapters with hidden_drives: true (adopting does that)",
    ),
}


def checks(inventory: wire.Inventory, expected: Mapping[str, Any]) -> list[wire.Check]:
    """One check for each such card, which is not tested. It is required unless the spec lists the card as such among
    its adapters, since then a person knows what is not tested. A controller that was not ready has a check of its
    own (`unready.report`)."""
    unready = {one.slot for one in inventory.unready}
    cards = [card for card in inventory.adapters if card.kind in _KINDS and card.slot not in unready]
    listed = list(expected.get("adapters") or [])
    return [_check(card, _KINDS[card.kind], listed) for card in cards]


def without_listed(inventory: wire.Inventory, expected: Mapping[str, Any]) -> wire.Inventory:
    """The inventory without the controllers that were not ready and that the spec lists as such cards: their driver
    never takes them."""
    listed = list(expected.get("adapters") or [])
    known = {card.slot for card in inventory.adapters if card.kind in _KINDS and _takes(listed, card)}
    return replace(inventory, unready=[one for one in inventory.unready if one.slot not in known])


def _takes(listed: list[Mapping[str, Any]], card: wire.Adapter) -> bool:
    """Whether the spec lists the card. Takes its entry from `listed`."""
    entry = next((one for one in listed if _is_of(one, card)), None)
    if entry is not None:
        listed.remove(entry)
    return entry is not None


def _check(card: wire.Adapter, kind: _Kind, listed: list[Mapping[str, Any]]) -> wire.Check:
    """Takes the card's entry from `listed`, since each entry stands for one card."""
    why = f"{card.slot}: {kind.why}: {card.model}"
    if not _takes(listed, card):
        return not_tested(kind.required, card.slot, reason=f"{why}; {kind.cure}", topic=kind.topic)
    return not_tested(kind.known, card.slot, reason=why, topic=kind.topic)


def _is_of(entry: Mapping[str, Any], card: wire.Adapter) -> bool:
    """An entry of a storage adapter with a driver does not stand for one without."""
    if bool(entry.get("hidden_drives")) != (card.kind == wire.HIDDEN_DRIVES):
        return False
    serial, model = str(entry.get("serial") or ""), str(entry.get("model") or "")
    return (bool(serial) and serial == card.serial) or (bool(model) and model.casefold() == card.model.casefold())
