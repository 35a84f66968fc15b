"""dnsmasq's lease file: `<expiry> <mac> <address> <name> <client id>` per line."""

from __future__ import annotations

from pathlib import Path


def parse(text: str) -> dict[str, str]:
    """Address by MAC. Other lines (DHCPv6, the server's DUID) are ignored."""
    rows = (line.split() for line in text.splitlines())
    return {row[1].lower(): row[2] for row in rows if len(row) == 5 and row[1].count(":") == 5}


def read(path: Path) -> dict[str, str]:
    try:
        return parse(path.read_text(encoding="utf-8", errors="replace"))
    except FileNotFoundError:
        return {}
