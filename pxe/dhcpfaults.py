"""Faults of this bench that dnsmasq's log tells of: it got a machine's request and has no address to give.

Lines of dnsmasq 2.90 (src/dhcp.c, src/rfc2131.c). The first two name no machine, since every request on the interface
is refused."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

import psutil
from django.conf import settings

from runs.bench import problems as bench
from runs.bench.problems import Problem

SOURCE = "dhcp"
KEPT_S = 600
"""A fault is told for so long after its last line, unless a machine is offered an address before: a firmware that got
no answer asks again some minutes later."""

_MAC = r"(?P<mac>(?:[0-9a-f]{2}:){5}[0-9a-f]{2})"
_NO_RANGE = re.compile(r"no address range available for DHCP request (?:via|with subnet selector) (?P<via>\S{1,64})")
_NO_ADDRESS = re.compile(r"DHCP packet received on (?P<via>\S{1,64}) which has no address")
_USED_UP = re.compile(
    rf"\d+ DHCP(?:DISCOVER|REQUEST)\(\S+\) (?:[\d.]+ )?{_MAC} (?:no address available|no leases left|address in use)"
)
_WORKS = re.compile(r"\d+ DHCPOFFER\(")
NO_NETWORK, RELAYED, USED_UP = "no_network", "relayed", "used_up"


@dataclass(frozen=True)
class Fault:
    """`mac` is the machine that was refused, empty if every one is. `via` is the interface or the relay's address."""

    kind: str
    mac: str = ""
    via: str = ""


def fault(text: str) -> Fault | None:
    """The fault that a line tells of, without its date and program."""
    if match := _USED_UP.match(text):
        return Fault(USED_UP, match["mac"])
    if match := _NO_RANGE.match(text) or _NO_ADDRESS.match(text):
        return Fault(RELAYED if _is_address(match["via"]) else NO_NETWORK, via=match["via"])
    return None


def is_cured(text: str) -> bool:
    """Whether the line says that a machine is offered an address."""
    return _WORKS.match(text) is not None


def remembered(state: dict[str, Any], found: Iterable[tuple[Fault | None, bool]], now_s: float) -> dict[str, Any]:
    """The faults that are told now, by kind, after the new lines. `found` has for each line its fault, and whether it
    says that all is well."""
    kept = {kind: one for kind, one in state.items() if 0 <= now_s - one["at"] < KEPT_S}
    for one, cured in found:
        if cured:
            kept = {}
        elif one is not None:
            kept[one.kind] = {"at": now_s, "via": one.via}
    return kept


def report(kept: dict[str, Any]) -> None:
    bench.report(SOURCE, [problem(Fault(kind, via=one["via"])) for kind, one in sorted(kept.items())])


def problem(one: Fault) -> Problem:
    """What is wrong and what to do, for the pages, and for the run whose host got no address."""
    config = settings.VETTING.pxe
    if one.kind == USED_UP:
        count = _range_size()
        what = f"all {count} addresses that DHCP gives out ({config.range_start} to {config.range_end}) are in use"
        fix = f"widen pxe.range_start to pxe.range_end; a lease ends after {config.lease_minutes} minutes"
        return Problem("bench", f"{what}: another host gets none", fix)
    if one.kind == RELAYED:
        what = f"a DHCP request came by the relay {one.via}, whose network is not pxe.subnet {config.subnet}"
        return Problem("configuration", f"{what}: it got no answer", "docs/booting.md says what to do about relays")
    return _no_network(one.via)


def _no_network(interface: str) -> Problem:
    config = settings.VETTING.pxe
    entries = psutil.net_if_addrs().get(interface, [])
    own = [entry.address for entry in entries if entry.family == socket.AF_INET]
    has = f"it has {', '.join(own)}" if own else "it has none"
    what = f"{interface} has no address in pxe.subnet {config.subnet} ({has}): a machine asked there and got no answer"
    return Problem("bench", what, "give it one (`ip address`), or set pxe.subnet to its network")


def _range_size() -> int:
    config = settings.VETTING.pxe
    if config.range_start is None or config.range_end is None:
        return 0
    return int(config.range_end) - int(config.range_start) + 1


def _is_address(text: str) -> bool:
    try:
        IPv4Address(text)
    except ValueError:
        return False
    return True
