"""What `vetting setup` proposes for a network, and the vetting.yaml that it makes of the answers. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Literal, get_args

from hosts import yamllines
from hosts.nearest import did_you_mean
from pxe import interfaces
from pxe.dhcpservers import Server
from pxe.interfaces import Interface
from vetting import config, yamledit

Mode = Literal["dhcp", "proxy", "off"]
MODES: tuple[Mode, ...] = get_args(Mode)
MODE_WORDS: dict[Mode, str] = {
    "dhcp": "Vetting gives the addresses; no other DHCP server may be in this network",
    "proxy": "the network's own DHCP server gives the addresses, Vetting adds what to boot",
    "off": "you configure your own DHCP and TFTP server",
}


class CanNotSetUp(Exception):
    """The answers don't fit together, or one is missing; the message says what to do."""


@dataclass(frozen=True)
class Answers:
    """`first` and `last` are needed for dhcp only."""

    interface: Interface
    mode: Mode
    first: IPv4Address | None = None
    last: IPv4Address | None = None


def choose(every: Sequence[Interface], wanted: str, bare: Iterable[str] = ()) -> Interface:
    """The interface of the hosts' network: `wanted` by its name or address, else the one that is the only choice.
    `bare`: interfaces without an address. Raises CanNotSetUp."""
    if wanted:
        named = [one for one in every if wanted in (one.name, str(one.address))]
        if len(named) == 1:
            return named[0]
        if named:
            addresses = ", ".join(str(one.address) for one in named)
            raise CanNotSetUp(f"{wanted} has several addresses: name one of them ({addresses})")
        if wanted in bare:
            raise CanNotSetUp(f"{wanted} has no IPv4 address: give it one in the hosts' network first")
        there = [one.name for one in every]
        raise CanNotSetUp(f"there is no interface {wanted!r} with an address{did_you_mean(wanted, there)}")
    inside = [one for one in every if not one.leads_out]
    if len(candidates := inside or list(every)) == 1:
        return candidates[0]
    if not candidates:
        without = f" ({', '.join(bare)} have none)" if bare else ""
        raise CanNotSetUp(f"no interface has an IPv4 address{without}: give the one of the hosts' network one first")
    raise CanNotSetUp(f"several interfaces are possible ({', '.join(one.name for one in candidates)}): name one")


def proposed_mode(servers: Sequence[Server]) -> Mode:
    return "proxy" if any(one.gives_addresses for one in servers) else "dhcp"


def objections(mode: Mode, servers: Sequence[Server]) -> list[str]:
    """What speaks against this mode beside these servers, each with what to do. Raises CanNotSetUp if hosts could get
    addresses of two servers at random."""
    giving = [one for one in servers if one.gives_addresses]
    if mode == "dhcp" and giving:
        raise CanNotSetUp(
            f"another DHCP server gives addresses here: {', '.join(one.words for one in giving)}. Two of them answer "
            "at random: choose proxy, or switch the other one off first"
        )
    said = []
    if mode == "proxy" and not giving:
        said.append("No DHCP server answered: in proxy mode hosts get no address without one.")
    if mode != "off":
        said += [
            f"{one.words}: hosts may boot that instead. Take the boot file out of its configuration (options 66 and "
            "67, next-server, filename)."
            for one in servers
            if one.boot_file or not one.gives_addresses
        ]
    return said


def proposed_range(interface: Interface) -> tuple[IPv4Address, IPv4Address]:
    """Raises CanNotSetUp if the network has no free address."""
    free = interfaces.free_range(interface.network, interfaces.taken(interface))
    if free is None:
        raise CanNotSetUp(f"{interface.network} has no free address for hosts")
    return free


def read_range(text: str, interface: Interface) -> tuple[IPv4Address, IPv4Address]:
    """`10.77.0.100-10.77.0.199`. Raises CanNotSetUp."""
    try:
        first, last = (IPv4Address(word.strip()) for word in text.split("-"))
    except ValueError:
        raise CanNotSetUp(f"{text!r} is no range: write FIRST-LAST, such as 10.77.0.100-10.77.0.199") from None
    if first > last:
        raise CanNotSetUp(f"{text}: the first address comes after the last")
    if outside := [one for one in (first, last) if one not in interface.network]:
        raise CanNotSetUp(f"{outside[0]} lies outside the network {interface.network} of {interface.name}")
    if first <= interface.address <= last:
        raise CanNotSetUp(f"this machine's own address {interface.address} lies in {text}")
    return first, last


def changes(
    answers: Answers, now: config.Config, *, whole_of: Path | None = None
) -> dict[str, dict[str, yamledit.Value]]:
    """The keys to set. A speed that somebody has set stays. `whole_of`: the file is new and belongs to an installation,
    whose image lies there."""
    one, serves = answers.interface, answers.mode != "off"
    pxe: dict[str, yamledit.Value] = {"mode": answers.mode}
    if serves:
        pxe |= {
            "interface": one.name,
            "subnet": str(one.network),
            "range_start": str(answers.first) if answers.first else None,
            "range_end": str(answers.last) if answers.last else None,
        }
    found: dict[str, dict[str, yamledit.Value]] = {"web": {"address": str(one.address)}, "pxe": pxe}
    if one.speed_mbit and now.iperf3.link_mbit == config.Iperf().link_mbit:
        found["iperf3"] = {"link_mbit": one.speed_mbit}
    if whole_of is not None:
        pxe["supervise"] = "unit"
        found["iperf3"] = {**found.get("iperf3", {}), "supervise": "unit"}
        found["boot_files"] = {"image_dir": str(whole_of)}
    return found


def text_of(before: str, wanted: yamledit.Changes, source: str) -> str:
    """The whole new file. Raises CanNotSetUp if the old text can't be changed or the result is no configuration."""
    try:
        after = yamledit.changed(before, wanted)
        document = yamllines.parse(after, source)
        config.parse(document.data or {}, source, document)
    except (yamllines.YamlError, yamledit.CanNotEdit, config.ConfigError) as error:
        raise CanNotSetUp(f"{source} can't be changed: {error}") from None
    return after
