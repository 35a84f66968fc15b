"""dnsmasq's configuration and its list of known machines, as text. Nothing here touches a file.

Three things decide what a machine is given: whether its MAC is known (unknown ones get no answer at all),
whether it already runs iPXE (then the script's address, or it would load itself for ever), and the firmware
it came with (DHCP option 93: 0 BIOS, 7 and 9 UEFI x64, 16 UEFI x64 over HTTP).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from hosts.models import BootBinary
from pxe.paths import Paths

# Some firmwares report 9 for UEFI x64 though 7 is the registered value (Launchpad 1768034).
UEFI_ARCHITECTURES = (7, 9)
BIOS_ARCHITECTURE = 0
UEFI_HTTP_ARCHITECTURE = 16
SERVED = (BIOS_ARCHITECTURE, *UEFI_ARCHITECTURES, UEFI_HTTP_ARCHITECTURE)
"""The architectures that there is a loader for."""
# Set by iPXE in every request; option 175 is its encapsulated options, also sent by ROMs without the user
# class.
IPXE_USER_CLASS = "iPXE"
IPXE_OPTION = 175


@dataclass(frozen=True)
class Plan:
    """What dnsmasq is to do. `script_url` ends before the MAC; `user` is who it runs as once it has its
    sockets."""

    mode: Literal["dhcp", "proxy"]
    interface: str
    subnet: IPv4Network
    script_url: str
    boot_url: str
    user: str
    files: Paths
    range_start: IPv4Address | None = None
    range_end: IPv4Address | None = None
    router: IPv4Address | None = None
    lease_minutes: int = 60
    native: tuple[str, ...] = ()
    """MACs that boot iPXE with its own drivers instead of the firmware's."""


@dataclass(frozen=True)
class KnownMac:
    mac: str
    boot_binary: str = BootBinary.AUTO


def render_hosts(known: Iterable[KnownMac]) -> str:
    """`dhcp-hostsfile`: one line per MAC that may boot; sorted, so that equal sets give equal files. No line sets a
    tag: dnsmasq (2.86 to 2.90) aborts when it reads the file again after it has answered a machine whose line does."""
    return "".join(sorted(f"{row.mac}\n" for row in known))


def native(known: Iterable[KnownMac]) -> tuple[str, ...]:
    """For `Plan.native`."""
    return tuple(sorted(row.mac for row in known if row.boot_binary == BootBinary.IPXE))


def render(plan: Plan) -> str:
    answers = _dhcp(plan) if plan.mode == "dhcp" else _proxy(plan)
    return "\n".join(("# Written by Vetting's worker; changes are lost.", *_common(plan), *answers)) + "\n"


def _common(plan: Plan) -> tuple[str, ...]:
    files = plan.files
    return (
        "port=0",
        "no-resolv",
        "no-hosts",
        # bind-dynamic: an interface that appears later, or again, is served without a restart.
        "bind-dynamic",
        f"interface={plan.interface}",
        "except-interface=lo",
        f"user={plan.user}",
        f"pid-file={files.pid}",
        f"log-facility={files.log}",
        "log-dhcp",
        f"dhcp-leasefile={files.leases}",
        f"dhcp-hostsfile={files.hosts}",
        *(f"dhcp-mac=set:native,{mac}" for mac in plan.native),
        "dhcp-ignore=tag:!known",
        # Firmware, iPXE and Linux on one machine send three different client ids, but the machine should keep one
        # address.
        "dhcp-ignore-clid",
        f"enable-tftp={plan.interface}",
        f"tftp-root={files.tftp}",
        f"dhcp-userclass=set:ipxe,{IPXE_USER_CLASS}",
        f"dhcp-match=set:ipxe,{IPXE_OPTION}",
        f"dhcp-match=set:bios,option:client-arch,{BIOS_ARCHITECTURE}",
        *(f"dhcp-match=set:efi,option:client-arch,{arch}" for arch in UEFI_ARCHITECTURES),
        f"dhcp-match=set:efihttp,option:client-arch,{UEFI_HTTP_ARCHITECTURE}",
    )


def _script(plan: Plan) -> str:
    # netX is the card that iPXE boots from; plain ${mac} is any card's.
    return f"{plan.script_url}${{netX/mac}}"


def _dhcp(plan: Plan) -> tuple[str, ...]:
    first, last, mask = plan.range_start, plan.range_end, plan.subnet.netmask
    loader = f"{plan.boot_url}/boot/ipxe"
    return (
        "dhcp-authoritative",
        f"dhcp-range={first},{last},{mask},{plan.lease_minutes}m",
        f"dhcp-option=option:router{f',{plan.router}' if plan.router else ''}",
        f"dhcp-boot=tag:ipxe,{_script(plan)}",
        "dhcp-boot=tag:!ipxe,tag:bios,undionly.kpxe",
        "dhcp-boot=tag:!ipxe,tag:efi,tag:native,ipxe.efi",
        "dhcp-boot=tag:!ipxe,tag:efi,tag:!native,snponly.efi",
        f"dhcp-boot=tag:!ipxe,tag:efihttp,tag:native,{loader}/ipxe.efi",
        f"dhcp-boot=tag:!ipxe,tag:efihttp,tag:!native,{loader}/snponly.efi",
        "dhcp-option-force=tag:!ipxe,tag:efihttp,60,HTTPClient",
    )


def _proxy(plan: Plan) -> tuple[str, ...]:
    """The LAN's own server gives the addresses, and we add what to boot. Built-in iPXE ROMs take the script's address
    only from a pxe-service, not from dhcp-boot. Each client may match only one line; with two it shows a menu and
    loops."""
    architectures = (BIOS_ARCHITECTURE, *UEFI_ARCHITECTURES)
    return (
        f"dhcp-range={plan.subnet.network_address},proxy,{plan.subnet.netmask}",
        # 0 seconds: the only entry is used at once, without a menu that waits for a key.
        'pxe-prompt="Vetting",0',
        *(f'pxe-service=tag:ipxe,{arch},"Vetting",{_script(plan)}' for arch in architectures),
        f'pxe-service=tag:!ipxe,{BIOS_ARCHITECTURE},"Vetting",undionly.kpxe',
        *(f'pxe-service=tag:!ipxe,tag:native,{arch},"Vetting",ipxe.efi' for arch in UEFI_ARCHITECTURES),
        *(f'pxe-service=tag:!ipxe,tag:!native,{arch},"Vetting",snponly.efi' for arch in UEFI_ARCHITECTURES),
    )
