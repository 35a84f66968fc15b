"""Which addresses are free to give out, and what is known of this machine's interfaces."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest

from pxe import interfaces
from pxe.interfaces import Interface, free_range
from tests.pxe.network import SERVER_ADDRESS, SERVER_INTERFACE, Network


@pytest.mark.parametrize(
    ("network", "used", "free"),
    [
        ("10.77.0.0/24", ["10.77.0.1"], ("10.77.0.100", "10.77.0.199")),
        ("10.77.0.0/24", ["10.77.0.150"], ("10.77.0.50", "10.77.0.149")),
        ("10.77.0.0/24", ["10.77.0.1", "10.77.0.254"], ("10.77.0.100", "10.77.0.199")),
        ("10.77.0.0/29", ["10.77.0.1"], ("10.77.0.2", "10.77.0.6")),
        ("10.77.0.0/29", ["10.77.0.3", "9.9.9.9"], ("10.77.0.4", "10.77.0.6")),
        ("10.0.0.0/8", ["10.0.0.1"], ("10.0.0.100", "10.0.0.199")),
        ("10.77.0.0/30", ["10.77.0.1", "10.77.0.2"], None),
    ],
)
def test_a_free_range_has_no_address_that_is_used(network: str, used: list[str], free: tuple[str, str] | None) -> None:
    wanted = free and tuple(map(IPv4Address, free))
    assert free_range(IPv4Network(network), map(IPv4Address, used)) == wanted


def test_interfaces_are_listed_with_their_address(network: Network) -> None:
    with network.on_server():
        (one,) = interfaces.every()
        assert interfaces.without_address() == []
    assert (one.name, str(one.address), str(one.network)) == (SERVER_INTERFACE, SERVER_ADDRESS, "10.77.0.0/24")
    assert not one.leads_out


def test_a_default_route_is_told_from_others() -> None:
    head = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
    text = (
        head + "eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\neth1\t00004D0A\t00000000\t0001\t0\t0\t0\t00FFFFFF\n"
    )
    assert interfaces._default_routes(text) == {"eth0"}
    assert interfaces._default_routes("") == set()


def test_what_is_known_is_said_and_no_more() -> None:
    one = Interface("eth1", IPv4Address("10.77.0.1"), IPv4Network("10.77.0.0/24"))
    assert one.words == "eth1: 10.77.0.1/24"
    full = Interface("eth0", one.address, one.network, True, 1000, True)
    assert full.words == "eth0: 10.77.0.1/24, link, 1000 Mbit/s, default route"
