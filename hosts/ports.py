"""Network ports in an expected spec, as adopting changes them. Pure functions.

A port without a link in the run becomes spare: it has no cable on purpose, must be there, and its link is neither
required nor tested. The MAC of a port with a link is entered with the host: without it the bench gives the port no
address, and Network can't test it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError

from hosts.fields import normalise_mac

Spec = dict[str, Any]

# The keys of a spec about a port's link. A spare port has none of them.
OF_LINK = ("speed_mbit", "neighbour", "other_network")

# The longest name of an interface in the kernel (IFNAMSIZ).
_NAME_BYTES = 15


def is_made_up(mac: str) -> bool:
    """Whether this MAC is no maker's: it has the bit for local addresses (IEEE 802, 8.2.2)."""
    return mac[1:2].lower() in ("2", "6", "a", "e")


def has_no_lasting_mac(mac: str, pci: str) -> bool:
    """Whether this port has another MAC after each boot, as a rule: a port on USB (it has no PCI address) whose MAC is
    made up. A BMC's own port is one. It can't be expected by its MAC, which is all that a spec says of a port."""
    return not pci and is_made_up(mac)


def adopt_link(port: Spec, found: Spec) -> None:
    """Adopt the link of a port as it was found. A port without a link becomes spare."""
    for key in (*OF_LINK, "spare") if found.get("spare") else ("speed_mbit", "spare"):
        port.pop(key, None)
    port.update({key: found[key] for key in ("speed_mbit", "spare") if key in found})


def marked_spare(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[str]:
    """The MACs of the ports that are spare in the second spec and not in the first."""
    known = [port["mac"] for port in _listed(before) if port.get("spare")]
    return [str(port["mac"]) for port in _listed(after) if port.get("spare") and port["mac"] not in known]


def newly_cabled(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[str]:
    """The MACs of the ports that have a link in the bench's network by the second spec and not by the first."""
    known = [port["mac"] for port in _listed(before) if _is_in_the_benchs_network(port)]
    cabled = [str(port["mac"]) for port in _listed(after) if _is_in_the_benchs_network(port)]
    return [mac for mac in cabled if mac not in known]


def spare_in_words(macs: list[str], inventory: Mapping[str, Any], run: int) -> list[str]:
    """One sentence for each port that was marked, with the reason."""
    return [
        f"{port} is spare: it had no link in run {run}. It must be there; its link is not required and not tested."
        for port in _named(macs, inventory)
    ]


def entered_in_words(macs: list[str], inventory: Mapping[str, Any]) -> list[str]:
    """One sentence for each port whose MAC was entered with the host."""
    return [
        f"{port} is entered as a MAC of this host, so that the port gets an address at the next boot."
        for port in _named(macs, inventory)
    ]


def newly_without_driver(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None, inventory: Mapping[str, Any]
) -> list[str]:
    """The network cards without a driver that the second spec lists among its adapters and the first does not."""
    cards = [one for one in inventory.get("adapters") or [] if one.get("kind") == "network"]
    return [
        f"{card.get('model') or 'a network card'} ({card.get('slot')})"
        for card in cards
        if _entries(after, card) > _entries(before, card)
    ]


def driverless_in_words(cards: list[str], run: int) -> list[str]:
    """One sentence for each network card without a driver that was entered."""
    return [f"No driver took {card} in run {run}. It must be there; none of its ports is tested." for card in cards]


def _entries(spec: Mapping[str, Any] | None, card: Mapping[str, Any]) -> int:
    return sum(one.get("model") == card.get("model") for one in (spec or {}).get("adapters") or [])


def _named(macs: list[str], inventory: Mapping[str, Any]) -> list[str]:
    names = {_mac(nic.get("mac")): str(nic.get("name") or "")[:_NAME_BYTES] for nic in inventory.get("nics") or []}
    return [f"{mac} ({name})" if (name := names.get(mac)) else mac for mac in macs]


def _listed(spec: Mapping[str, Any] | None) -> list[Spec]:
    return list((spec or {}).get("nics") or [])


def _is_in_the_benchs_network(port: Spec) -> bool:
    return bool(port.get("speed_mbit")) and not port.get("other_network")


def _mac(text: Any) -> str:
    try:
        return normalise_mac(str(text or ""))
    except ValidationError:
        return ""
