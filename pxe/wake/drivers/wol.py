"""Wake-on-LAN: magic packets to the broadcast address of the hosts' network, first MAC first."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

import wakeonlan
from django.conf import settings

from hosts.models import Host
from hosts.options import option
from hosts.wakemethods import WakeMethod
from pxe.wake.shape import WakeProblem

EVERYWHERE = "255.255.255.255"


@dataclass(frozen=True, kw_only=True)
class Options:
    broadcast: str = option(
        "address to send to instead of that of `pxe.subnet`, for a host in another network",
        example="10.0.7.255",
        default="",
    )


METHOD = WakeMethod(
    title="Wake-on-LAN",
    does="a magic packet to each MAC, the first one first, from `web.address` to the broadcast address of `pxe.subnet`",
    options=Options,
)


def wake(host: Host, options: Options) -> str:
    macs = host.mac_list
    if not macs:
        raise WakeProblem(f"{host.name}: no MAC address to send a magic packet to: add one on the host's form")
    broadcast, source = _route(options)
    try:
        wakeonlan.wake(*macs, host=broadcast, interface=source)
    except OSError as error:
        fix = "web.address must be this machine's address in pxe.subnet"
        if source is None:
            fix = "set pxe.subnet, or `broadcast` in the host's wake options, to a network of this machine"
        raise WakeProblem(
            f"{host.name}: no magic packet to {broadcast} from {source or 'any address'}: {error.strerror}; {fix}"
        ) from None
    return f"magic packet to {', '.join(macs)} by {broadcast}"


def _route(options: Options) -> tuple[str, str | None]:
    """Where to, and from which address of ours: the one in the hosts' network, so that it leaves by that
    interface."""
    subnet, ours = settings.VETTING.pxe.subnet, _own_address()
    if options.broadcast:
        return options.broadcast, None
    if subnet is None:
        return EVERYWHERE, None if ours is None or ours.is_loopback else str(ours)
    return str(subnet.broadcast_address), str(ours) if ours and ours in subnet else None


def _own_address() -> IPv4Address | None:
    """`web.address`; None for a name, which it may be while `pxe.mode` is off, and for an IPv6 address, which has no
    broadcast. The kernel then chooses by which interface the packet leaves."""
    try:
        return IPv4Address(settings.VETTING.web.address)
    except ValueError:
        return None
