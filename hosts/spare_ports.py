"""Spare network ports in an expected spec: ports that have no cable on purpose. A spare port must be there, but its
link is neither required nor tested. Adopting marks ports without a link in the run as spare. Pure functions."""

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


def adopt_link(port: Spec, found: Spec) -> None:
    """Adopt the link of a port as it was found. A port without a link becomes spare."""
    for key in (*OF_LINK, "spare") if found.get("spare") else ("speed_mbit", "spare"):
        port.pop(key, None)
    port.update({key: found[key] for key in ("speed_mbit", "spare") if key in found})


def marked(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[str]:
    """The MACs of the ports that are spare in the second spec and not in the first."""
    known = _macs(before)
    return [mac for mac in _macs(after) if mac not in known]


def in_words(macs: list[str], inventory: Mapping[str, Any], run: int) -> list[str]:
    """One sentence for each port that was marked, with the reason."""
    names = {_mac(nic.get("mac")): str(nic.get("name") or "")[:_NAME_BYTES] for nic in inventory.get("nics") or []}
    return [
        f"{mac}{f' ({name})' if (name := names.get(mac)) else ''} is spare: it had no link in run {run}. It must be "
        "there; its link is not required and not tested."
        for mac in macs
    ]


def _macs(spec: Mapping[str, Any] | None) -> list[str]:
    return [str(port["mac"]) for port in (spec or {}).get("nics") or [] if port.get("spare")]


def _mac(text: Any) -> str:
    try:
        return normalise_mac(str(text or ""))
    except ValidationError:
        return ""
