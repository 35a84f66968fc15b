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


def current(path: Path, now_s: float) -> list[str]:
    """The addresses whose leases have not ended, `now_s` in seconds since 1970. An expiry of 0 never ends."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    rows = [line.split() for line in lines]
    return [
        row[2]
        for row in rows
        if len(row) == 5 and row[1].count(":") == 5 and row[0].isdecimal() and (row[0] == "0" or int(row[0]) > now_s)
    ]
