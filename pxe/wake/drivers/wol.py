"""Wake-on-LAN: magic packets to the broadcast address of the hosts' network, first MAC first."""

from __future__ import annotations

from ipaddress import ip_address

import wakeonlan
from django.conf import settings

from hosts.models import Host
from pxe.wake.shape import Sent, WakeProblem

LIMIT: int | None = None
SLOW = False
EVERYWHERE = "255.255.255.255"


def wake(host: Host) -> Sent:
    """Host option `broadcast` (an address) replaces that of `pxe.subnet`, for a host in another network."""
    macs = host.mac_list
    if not macs:
        raise WakeProblem(f"{host.name}: no MAC address to send a magic packet to: add one on the host's page")
    broadcast, source = _route(host)
    try:
        wakeonlan.wake(*macs, host=broadcast, interface=source)
    except OSError as error:
        raise WakeProblem(
            f"{host.name}: no magic packet to {broadcast} from {source or 'any address'}: {error.strerror}; "
            "web.address must be this machine's address in pxe.subnet"
        ) from None
    return Sent(f"magic packet to {', '.join(macs)} by {broadcast}")


def _route(host: Host) -> tuple[str, str | None]:
    """Where to, and from which address of ours: the one in the hosts' network, so that it leaves by that
    interface."""
    subnet, ours = settings.VETTING.pxe.subnet, settings.VETTING.web.address
    if special := (host.wake_options or {}).get("broadcast"):
        return str(special), None
    if subnet is None:
        return EVERYWHERE, None if ip_address(ours).is_loopback else ours
    return str(subnet.broadcast_address), ours if ip_address(ours) in subnet else None
