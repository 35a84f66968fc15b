"""Physical network cards, read from sysfs: Ethernet interfaces with a device behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.host import sysfs

_ETHERNET = "1"  # ARPHRD_ETHER


@dataclass(frozen=True)
class NicState:
    """`speed_mbit` is None without a link, or if the driver does not give it. `duplex` is full, half or ''."""

    name: str
    mac: str
    driver: str
    pci: str
    link: bool
    speed_mbit: int | None
    duplex: str
    on_usb: bool = False


@dataclass(frozen=True)
class Traffic:
    """The bytes that a card has counted."""

    sent_bytes: int
    received_bytes: int


def traffic(name: str, root: Path = Path("/")) -> Traffic | None:
    """None for a card that is not there or does not count."""
    counters = root / "sys/class/net" / name / "statistics"
    sent, received = sysfs.text(counters / "tx_bytes"), sysfs.text(counters / "rx_bytes")
    return Traffic(int(sent), int(received)) if sent.isdigit() and received.isdigit() else None


def spare_macs(expected: Mapping[str, Any]) -> frozenset[str]:
    """The MACs of the ports that the spec calls spare: nothing of their link is required or tested."""
    return _macs_with(expected, "spare")


def other_network_macs(expected: Mapping[str, Any]) -> frozenset[str]:
    """The MACs of the ports that the spec puts into a network without the bench: their link is required, and nothing is
    sent by it."""
    return _macs_with(expected, "other_network")


def cabled_macs(expected: Mapping[str, Any]) -> frozenset[str]:
    """The MACs of the ports of which the spec says anything that needs a cable."""
    return _macs_with(expected, "speed_mbit", "neighbour", "other_network")


def _macs_with(expected: Mapping[str, Any], *words: str) -> frozenset[str]:
    listed = expected.get("nics") or []
    return frozenset(str(nic.get("mac") or "").lower() for nic in listed if any(nic.get(word) for word in words))


def names(root: Path = Path("/")) -> list[str]:
    """The cards, without bridges, bonds and VLANs, and without virtual functions of a card."""
    return [
        port.name
        for port in sorted((root / "sys/class/net").glob("*"))
        if (port / "device").exists()
        and not (port / "device/physfn").exists()
        and sysfs.text(port / "type") == _ETHERNET
    ]


def state(name: str, root: Path = Path("/")) -> NicState:
    port = root / "sys/class/net" / name
    device = (port / "device").resolve()
    link = sysfs.text(port / "carrier") == "1"
    pci = device.name if device.name.count(":") == 2 else device.parent.name
    return NicState(
        name=name,
        mac=sysfs.text(port / "address").lower(),
        driver=(port / "device/driver").resolve().name if (port / "device/driver").exists() else "",
        pci=pci if pci.count(":") == 2 else "",
        on_usb=is_on_usb(port),
        link=link,
        speed_mbit=_speed(sysfs.text(port / "speed")) if link else None,
        duplex=sysfs.text(port / "duplex") if link else "",
    )


def is_on_usb(port: Path) -> bool:
    """Whether this port in /sys/class/net is on USB, as the BMC's own is."""
    return "/usb" in str((port / "device").resolve())


def _speed(text: str) -> int | None:
    """-1 and 4294967295 mean unknown."""
    try:
        speed = int(text)
    except ValueError:
        return None
    return speed if 0 < speed < 2**31 else None
