"""What this machine's setup lacks so that no host can boot from it: an address that hosts reach, an address on the
interface that is served, an image. The worker reports it for the pages, /healthz, and before a run is queued."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from ipaddress import IPv4Address

import psutil
from django.conf import settings

from pxe import image
from runs.bench import problems as bench
from runs.bench.problems import Problem
from runs.bench.readiness import SOURCE
from runs.wording import remedies

LOOK_EVERY_S = 5.0
_looked_at: float | None = None


def tick() -> None:
    global _looked_at
    now = time.monotonic()
    if _looked_at is None or now - _looked_at >= LOOK_EVERY_S:
        _looked_at = now
        bench.report(SOURCE, problems())


def problems() -> list[Problem]:
    """Nothing in a checkout: demonstration and tests boot from addresses that no other machine reaches."""
    return [*_address(), *_interface(), *_image()] if settings.INSTALLED else []


def _address() -> Iterator[Problem]:
    address = settings.VETTING.web.address
    if _is_loopback(address):
        what = f"web.address is {address}, which no host can reach"
        yield Problem("configuration", what, f"`{remedies.command('setup')}` sets this machine's address")


def _is_loopback(address: str) -> bool:
    try:
        return IPv4Address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _interface() -> Iterator[Problem]:
    """dnsmasq gives no address on an interface that has none in the network it serves."""
    config = settings.VETTING.pxe
    if config.mode == "off" or config.subnet is None:
        return
    entries = psutil.net_if_addrs().get(config.interface)
    if entries is None:
        return  # the supervisor says so
    own = [entry.address for entry in entries if entry.family == socket.AF_INET]
    if not any(IPv4Address(address) in config.subnet for address in own):
        has = f"it has {', '.join(own)}" if own else "it has none"
        what = f"{config.interface} has no address in pxe.subnet {config.subnet} ({has}): no host gets an answer there"
        yield Problem("bench", what, f"give it one, or let `{remedies.command('setup')}` choose another network")


def _image() -> Iterator[Problem]:
    what, fix = image.problem()
    if what:
        yield Problem("bench", f"no host can boot: {what}", fix)
