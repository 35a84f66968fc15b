"""This machine's network interfaces with their IPv4 addresses, and a range of addresses that nobody uses."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from itertools import pairwise
from pathlib import Path

import psutil

from pxe import dnsmasqlog
from pxe.link import ownport

MOST_ADDRESSES = 100
_FIRST_CHOICE = 100
"""A range begins at .100 if there is room, as in the examples."""
_ROUTES, _NEIGHBOURS = Path("/proc/net/route"), Path("/proc/net/arp")


@dataclass(frozen=True)
class Interface:
    """One IPv4 address of an interface. `link` and `speed_mbit` are None if they are not known, as of a virtual card.
    `leads_out`: the default route goes through it."""

    name: str
    address: IPv4Address
    network: IPv4Network
    link: bool | None = None
    speed_mbit: int | None = None
    leads_out: bool = False

    @property
    def words(self) -> str:
        facts = [
            f"{self.address}/{self.network.prefixlen}",
            {True: "link", False: "no link", None: ""}[self.link],
            f"{self.speed_mbit} Mbit/s" if self.speed_mbit else "",
            "default route" if self.leads_out else "",
        ]
        return f"{self.name}: {', '.join(filter(None, facts))}"


def every() -> list[Interface]:
    """The interfaces that can serve hosts: not the loopback, and with a network of at least two hosts. Those without
    the default route come first, since the hosts' network usually has none."""
    out = _default_routes(_text(_ROUTES))
    found = [one for name, entries in psutil.net_if_addrs().items() for one in _of(name, entries, name in out)]
    return sorted(found, key=lambda one: (one.leads_out, one.link is False, one.name))


def without_address() -> list[str]:
    """Interfaces that exist and have no IPv4 address."""
    addressed = {one.name for one in every()} | {"lo"}
    return sorted(name for _, name in socket.if_nameindex() if name not in addressed)


def taken(of: Interface) -> set[IPv4Address]:
    """The addresses of its network that are known to be used: our own, and the neighbours that the kernel knows."""
    own = [one.address for one in every()]
    seen = [IPv4Address(address) for address in dnsmasqlog.parse_neighbours(_text(_NEIGHBOURS))]
    return {one for one in (*own, *seen) if one in of.network}


def free_range(
    network: IPv4Network, used: Iterable[IPv4Address], most: int = MOST_ADDRESSES
) -> tuple[IPv4Address, IPv4Address] | None:
    """At most `most` addresses in one piece, none of them in `used`; None if there is no free address."""
    first, last = int(network.network_address) + 1, int(network.broadcast_address) - 1
    edges = [first - 1, *sorted(int(one) for one in set(used) if first <= int(one) <= last), last + 1]
    pieces = [(before + 1, after - 1) for before, after in pairwise(edges) if after - before > 1]
    if not pieces:
        return None
    start, end = max(pieces, key=lambda piece: min(piece[1] - piece[0] + 1, most))
    count = min(end - start + 1, most)
    choice = int(network.network_address) + _FIRST_CHOICE
    begin = choice if start <= choice and choice + count - 1 <= end else end - count + 1
    return IPv4Address(begin), IPv4Address(begin + count - 1)


def _of(name: str, entries: Iterable[object], leads_out: bool) -> Iterable[Interface]:
    for entry in entries:
        if getattr(entry, "family", None) != socket.AF_INET or not getattr(entry, "netmask", None):
            continue
        given = IPv4Interface(f"{entry.address}/{entry.netmask}")  # type: ignore[attr-defined]  # psutil's snicaddr
        if given.ip.is_loopback or given.network.prefixlen > 30:
            continue
        speed = ownport.speed_mbit(name)
        yield Interface(
            name, given.ip, given.network, ownport.has_link(name), int(speed) if speed else None, leads_out
        )  # fmt: skip


def _default_routes(text: str) -> set[str]:
    """The interfaces of default routes in /proc/net/route."""
    rows = (line.split() for line in text.splitlines()[1:])
    return {row[0] for row in rows if len(row) > 7 and row[1] == "00000000" and row[7] == "00000000"}


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
