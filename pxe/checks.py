"""System checks of the configuration for booting. Each message says how to fix the problem."""

from __future__ import annotations

import re
from ipaddress import IPv4Address
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from hosts import bootwords
from pxe import image
from pxe.daemon import which
from runs.wording import remedies

_OURS_CHARACTERS = 400
"""What the boot script adds itself: initrds, address, run, token, MAC."""


@register()
def boot_configuration(**_: Any) -> list[CheckMessage]:
    return [*_addresses(), *_kernel_arguments()]


@register()
def boot_tools(**_: Any) -> list[CheckMessage]:
    """Missing tools are warnings: everything that does not need them still works."""
    config = settings.VETTING
    messages: list[CheckMessage] = []
    if config.pxe.mode != "off" and config.pxe.supervise == "tick" and not which("dnsmasq"):
        messages.append(
            Warning("dnsmasq is not installed: no host can boot", hint="apt install dnsmasq-base", id="pxe.W001")
        )
    if config.iperf3.supervise == "tick" and not which("iperf3"):
        text = "iperf3 is not installed: the Network stage can measure nothing"
        messages.append(Warning(text, hint="apt install iperf3", id="pxe.W002"))
    what, fix = image.problem() if config.pxe.mode != "off" else ("", "")
    if what:
        messages.append(Warning(what, hint=fix, id="pxe.W003"))
    elif config.pxe.mode != "off" and (size := image.unaligned()):
        text = f"{image.INITRD} has {size} bytes, no multiple of 4: on some machines the agent behind it is lost"
        messages.append(Warning(text, hint=f"{remedies.build_image()} builds one that is", id="pxe.W004"))
    return messages


def _addresses() -> list[CheckMessage]:
    pxe, web = settings.VETTING.pxe, settings.VETTING.web
    if pxe.mode == "off" or pxe.subnet is None:  # the configuration refuses a mode without a subnet
        return []
    try:
        address = IPv4Address(web.address)
    except ValueError:
        text = f"web.address is {web.address!r}: hosts that boot know no names, they need an IPv4 address"
        return [Error(text, hint="this machine's address in pxe.subnet", id="pxe.E001")]
    messages = _own_address(address) + _in_subnet(pxe)
    if not messages and address not in pxe.subnet and pxe.router is None:
        text = f"web.address {address} lies outside pxe.subnet {pxe.subnet}: hosts reach it only through a router"
        messages.append(Warning(text, hint="choose the one in pxe.subnet, or set pxe.router", id="pxe.W005"))
    return messages + _range(pxe, None if messages else address) + _interface(pxe.interface) + _lease(pxe)


def _lease(pxe: Any) -> list[CheckMessage]:
    """A live host renews its lease after half of its time, and keeps its address for as long as it runs. iPXE and a
    firmware never renew theirs."""
    boot_s = settings.VETTING.deadlines.boot_s
    if pxe.mode != "dhcp" or pxe.lease_minutes * 60 >= boot_s:
        return []
    text = f"pxe.lease_minutes {pxe.lease_minutes} is shorter than a boot may take (deadlines.boot_s {boot_s:g})"
    return [Warning(text, hint="a lease that ends during a boot may go to another host", id="pxe.W006")]


def _own_address(address: IPv4Address) -> list[CheckMessage]:
    if not address.is_loopback:
        return []
    text = f"web.address is {address}: no host under test can reach that"
    return [Error(text, hint="set it to this machine's address in pxe.subnet", id="pxe.E002")]


def _in_subnet(pxe: Any) -> list[CheckMessage]:
    assert pxe.subnet is not None, "the configuration refuses a pxe.mode without a subnet"
    given = {name: getattr(pxe, name) for name in ("range_start", "range_end", "router")}
    outside = {name: value for name, value in given.items() if value is not None and value not in pxe.subnet}
    texts = (f"pxe.{name} {value} lies outside pxe.subnet {pxe.subnet}" for name, value in outside.items())
    return [Error(text, hint="choose one inside", id="pxe.E003") for text in texts]


def _range(pxe: Any, address: IPv4Address | None) -> list[CheckMessage]:
    """The range that DHCP gives out. With `address`, whether it contains our own."""
    first, last = pxe.range_start, pxe.range_end
    if pxe.mode != "dhcp" or first is None or last is None:
        return []
    if first > last:
        text = f"pxe.range_start {first} comes after pxe.range_end {last}"
        return [Error(text, hint="swap them", id="pxe.E004")]
    if address is not None and first <= address <= last:
        text = f"web.address {address} lies in the range that DHCP gives out ({first} to {last})"
        return [Error(text, hint="move the range, or the address", id="pxe.E006")]
    return []


def _interface(name: str) -> list[CheckMessage]:
    if re.fullmatch(r"[\w.:@-]{1,15}", name):
        return []
    text = f"pxe.interface is {name!r}"
    return [Error(text, hint="the name of a network interface, as `ip link` shows it", id="pxe.E007")]


def _kernel_arguments() -> list[CheckMessage]:
    """`||`, `&&` and `${` are iPXE syntax, so kernel arguments must not contain them."""
    extra = settings.VETTING.boot_files.extra_args
    most = bootwords.COMMAND_LINE_MOST - bootwords.KERNEL_ARGS_MOST - _OURS_CHARACTERS
    if (length := len(" ".join(image.kernel_args()))) > most:
        text = f"the image's kernel arguments and boot_files.extra_args have {length} characters, {most} at most"
        return [Error(text, hint="shorten boot_files.extra_args: the kernel would cut a host's own", id="pxe.E008")]
    if re.search(r"\|\||&&|\$\{|^#|\s#|[^\x20-\x7e]", extra):
        text = f"boot_files.extra_args holds ||, &&, ${{, # or a control character: {extra!r}"
        return [Error(text, hint="kernel arguments on one line, e.g. console=ttyS0,115200", id="pxe.E005")]
    return []
