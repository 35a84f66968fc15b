"""Network cards that no driver took: they lost their own firmware, or the live image has no driver for them. The kernel
has no port of theirs, so that no stage can test one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent.contract import wire
from agent.probes.bus import adapters
from agent.reports import checks as made

# A profile requires the first. The second only says what is not tested.
_REQUIRED, _KNOWN = "nics", "nic_driver"
_TOPIC = "network"


def checks(inventory: wire.Inventory, expected: Mapping[str, Any]) -> list[wire.Check]:
    """One check for each such card, which is not tested. It is required unless the spec lists the card among its
    adapters, since then a person knows that its ports are not tested."""
    listed = list(expected.get("adapters") or [])
    return [_check(card, listed) for card in inventory.adapters if card.kind == adapters.NETWORK]


def _check(card: wire.Adapter, listed: list[Mapping[str, Any]]) -> wire.Check:
    """Takes the card's entry from `listed`, since each entry stands for one card."""
    why = f"{card.slot}: no driver took this network card, so none of its ports is tested: {card.model}"
    entry = next((one for one in listed if _is_of(one, card)), None)
    if entry is None:
        cure = "if the live image has no driver for it, list it among the spec's adapters (adopting does that)"
        return made.not_tested(_REQUIRED, card.slot, reason=f"{why}; {cure}", topic=_TOPIC)
    listed.remove(entry)
    return made.not_tested(_KNOWN, card.slot, reason=why, topic=_TOPIC)


def _is_of(entry: Mapping[str, Any], card: wire.Adapter) -> bool:
    serial, model = str(entry.get("serial") or ""), str(entry.get("model") or "")
    return (bool(serial) and serial == card.serial) or (bool(model) and model.casefold() == card.model.casefold())
