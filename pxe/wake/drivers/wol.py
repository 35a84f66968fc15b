"""Wake-on-LAN: magic packets to the broadcast address of the hosts' network, first MAC first."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address

import wakeonlan
from django.conf import settings

from hosts.options import option, secret
from hosts.wakemethods import WakeMethod
from pxe.wake import shape
from pxe.wake.shape import WakeProblem

EVERYWHERE = "255.255.255.255"
_SECURE_ON = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Options:
    broadcast: str = option(
        "address to send to instead of that of `pxe.subnet`, for a host in another network",
        example="10.0.7.255",
        default="",
    )
    secure_on: str = secret(
        "SecureOn password of the host's card, six bytes such as 00:11:22:33:44:55",
        example="VETTING_BMC_SECUREON",
        optional=True,
    )


METHOD = WakeMethod(
    title="Wake-on-LAN",
    does="a magic packet to each MAC, the first one first, from `web.address` to the broadcast address of `pxe.subnet`",
    options=Options,
)


class Machine(shape.Machine):
    options: Options

    def on(self) -> str:
        macs = self.host.mac_list
        if not macs:
            raise WakeProblem(f"{self.who}: no MAC address to send a magic packet to: add one on the host's form")
        broadcast, source = _route(self.options)
        try:
            wakeonlan.wake(*(mac + self._password() for mac in macs), host=broadcast, interface=source)
        except OSError as error:
            fix = "web.address must be this machine's address in pxe.subnet"
            if source is None:
                fix = "set pxe.subnet, or `broadcast` in the host's wake options, to a network of this machine"
            raise WakeProblem(
                f"{self.who}: no magic packet to {broadcast} from {source or 'any address'}: {error.strerror}; {fix}"
            ) from None
        return f"magic packet to {', '.join(macs)} by {broadcast}"

    def _password(self) -> str:
        if not self.options.secure_on:
            return ""
        if not _SECURE_ON.fullmatch(self.options.secure_on):
            raise WakeProblem(
                f"{self.who}: the SecureOn password is not six bytes such as 00:11:22:33:44:55: correct the variable "
                "that `secure_on_env` names"
            )
        return f"/{self.options.secure_on}"


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
