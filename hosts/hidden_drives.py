"""Storage controllers in an expected spec whose drives the kernel can't see. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# The kind of such an adapter in an inventory, and the key of its entry in a spec.
KIND = "hidden_drives"


def newly_listed(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None, inventory: Mapping[str, Any]
) -> list[str]:
    """The controllers with hidden drives that the second spec lists as such and the first does not."""
    cards = [one for one in inventory.get("adapters") or [] if one.get("kind") == KIND]
    return [
        f"{card.get('model') or 'a storage controller'} ({card.get('slot')})"
        for card in cards
        if _entries(after, card) > _entries(before, card)
    ]


def in_words(cards: list[str], run: int) -> list[str]:
    """One sentence for each controller that was listed."""
    return [
        f"Drives behind {card} were hidden in run {run}, and are not in the spec: no driver took it, or the firmware "
        "is in RAID mode. The controller must be there; drives behind it are not tested."
        for card in cards
    ]


def _entries(spec: Mapping[str, Any] | None, card: Mapping[str, Any]) -> int:
    listed = [one for one in (spec or {}).get("adapters") or [] if one.get(KIND)]
    return sum(one.get("model") == card.get("model") for one in listed)
