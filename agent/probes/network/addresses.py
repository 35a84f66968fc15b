"""IPv4 addresses of network cards (iproute2, JSON)."""

from __future__ import annotations

import ipaddress
import json

from agent.host import shell
from agent.parsing import ParseError, clean, flat, mapping, sequence


def run(timeout_s: float = 10.0) -> shell.Completed:
    return shell.run(["ip", "-j", "-4", "addr", "show"], timeout_s)


def parse(text: str) -> dict[str, str]:
    """Card → its first global address. A card without a valid one is left out. Raises ParseError."""
    try:
        rows = flat(json.loads(text or "[]"), "ip")
    except ParseError:
        raise
    except (ValueError, RecursionError) as error:
        raise ParseError(f"ip printed broken JSON: {error}") from None
    found: dict[str, str] = {}
    for row in map(mapping, sequence(rows)):
        for address in map(mapping, sequence(row.get("addr_info"))):
            if address.get("family") == "inet" and address.get("scope") == "global" and _is_address(address):
                found.setdefault(clean(row.get("ifname")), clean(address.get("local")))
    return found


def _is_address(row: dict[str, object]) -> bool:
    try:
        return bool(ipaddress.IPv4Address(clean(row.get("local"))))
    except ValueError:
        return False
