"""Problems of the hosts' network as this machine sees it, each with its remedy. Asks for DHCP servers, and changes
nothing."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from ipaddress import IPv4Address
from pathlib import Path

import psutil
from django.conf import settings
from django.utils import timezone

from pxe import dhcpservers, leases, supervisor
from pxe.paths import paths
from runs.bench import newcomers
from runs.wording import remedies

Checks = Iterator[tuple[str, str, str]]
# Bits of capability sets. [include/uapi/linux/capability.h]
CAPABILITIES = {10: "net_bind_service", 12: "net_admin", 13: "net_raw"}
MTU_OF_BOOTING = 1500
"""iPXE and the live image send packets of this size."""
ASKED_WITHIN, MOST_NEWCOMERS = timedelta(hours=1), 20
_STATUS = Path("/proc/self/status")
_TIME_ERROR = 5
"""adjtimex returns it if the clock is not synchronised. [man 2 adjtimex]"""
_TIMEX_BYTES = 512


def _other_servers() -> Checks:
    """Who else answers a DISCOVER on our interface. Our own dnsmasq does not: our MAC is no registered host's."""
    config = settings.VETTING.pxe
    if config.mode == "off":
        return
    try:
        found = [one for one in dhcpservers.find(config.interface) if str(one.address) != settings.VETTING.web.address]
    except dhcpservers.CanNotAsk as error:
        what = f"it is not known whether another DHCP server answers on {config.interface}: {error}"
        as_root = f"call it as root: sudo {remedies.command('doctor')}"
        yield "bench", what, as_root if isinstance(error, dhcpservers.NeedsRoot) else "`ip link` says how it is"
        return
    giving = [one for one in found if one.gives_addresses]
    if config.mode == "dhcp":
        for one in giving:
            what = f"another DHCP server answers on {config.interface}: {one.words}. Hosts get either answer at random"
            yield "bench", what, "switch it off, or set pxe.mode: proxy"
    elif not giving:
        what = f"pxe.mode is proxy, and no DHCP server answers on {config.interface}: hosts get no address"
        yield "bench", what, "start the network's DHCP server, or set pxe.mode: dhcp"
    for one in found:
        if one.boot_file and not (config.mode == "dhcp" and one.gives_addresses):
            what = f"another server lets machines boot something else: {one.words}"
            yield "bench", what, "take options 66 and 67, next-server and filename out of its configuration"


def _pool() -> Checks:
    """The addresses that dhcp gives out, and how many of them are leased now."""
    config = settings.VETTING.pxe
    if config.mode != "dhcp" or config.range_start is None or config.range_end is None:
        return
    count = int(config.range_end) - int(config.range_start) + 1
    leased = [address for address in leases.current(paths().leases, time.time()) if _inside(address)]
    if len(leased) >= count:
        what = f"all {count} addresses that DHCP gives out are leased: another host gets none"
        fix = f"widen pxe.range_start to pxe.range_end; a lease ends after {config.lease_minutes} minutes"
        yield "bench", what, fix


def _inside(address: str) -> bool:
    config = settings.VETTING.pxe
    assert config.range_start is not None and config.range_end is not None, "the configuration refuses dhcp without"
    try:
        return config.range_start <= IPv4Address(address) <= config.range_end
    except ValueError:
        return False


def _newcomers() -> Checks:
    """Machines that asked for network boot within the last hour and are not registered."""
    if settings.VETTING.pxe.mode == "off":
        return
    for one in newcomers.since(timezone.now() - ASKED_WITHIN)[:MOST_NEWCOMERS]:
        add = remedies.command(f"host add NAME --mac {one.mac}")
        yield "bench", one.words, f"if it is yours: `{add}`, or `host edit NAME --add-mac` for a known host"


def _ports() -> Checks:
    """UDP 67 and 69, if our dnsmasq does not run: then somebody else has them."""
    if settings.VETTING.pxe.mode == "off" or supervisor.server(paths()).find():
        return
    taken = {one.laddr.port for one in psutil.net_connections("udp") if one.laddr} & {67, 69}
    if taken:
        words = " and ".join(map(str, sorted(taken)))
        yield (
            "bench",
            f"another program has UDP port {words}",
            "`ss -ulpn 'sport = :67 or sport = :69'` names it; stop it",
        )


def _rights() -> Checks:
    """What dnsmasq needs and a container may lack: nothing that is missing here can be gained."""
    if settings.VETTING.pxe.mode == "off":
        return
    bounding = bounding_set(_STATUS.read_text())
    if bounding is None:
        return
    if missing := [name for bit, name in CAPABILITIES.items() if not bounding >> bit & 1]:
        what = f"this container may not have {', '.join(f'cap_{name}' for name in missing)}, which dnsmasq needs"
        yield "bench", what, "take the drop of these capabilities out of the container's configuration (lxc.cap.drop)"


def bounding_set(status: str) -> int | None:
    """The capabilities that a process can have at all, from /proc/PID/status; None if it does not say."""
    for line in status.splitlines():
        name, _, value = line.partition(":")
        if name == "CapBnd":
            return int(value.strip(), 16)
    return None


def _mtu() -> Checks:
    config = settings.VETTING.pxe
    facts = psutil.net_if_stats().get(config.interface)
    if config.mode != "off" and facts and 0 < facts.mtu < MTU_OF_BOOTING:
        what = f"{config.interface} has an MTU of {facts.mtu}: hosts send packets of {MTU_OF_BOOTING} bytes"
        yield "bench", what, f"ip link set {config.interface} mtu {MTU_OF_BOOTING}, and in the network's configuration"


def _synchronised() -> Checks:
    """Only in an installation: reports have its time, and live images take theirs from it."""
    if settings.INSTALLED and is_synchronised() is False:
        what = "the clock of this machine is not synchronised, and hosts and reports take their time from it"
        yield "bench", what, "`timedatectl set-ntp true`, or in a container: synchronise the clock of its host"


def is_synchronised() -> bool | None:
    """Whether the kernel's clock is synchronised; None if it can't be asked."""
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != _TIME_ERROR


CHECKS: dict[str, Callable[[], Checks]] = {
    "other_dhcp": _other_servers,
    "pool": _pool,
    "newcomers": _newcomers,
    "ports": _ports,
    "rights": _rights,
    "mtu": _mtu,
    "clock_sync": _synchronised,
}
