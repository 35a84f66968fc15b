"""What doctor finds in the hosts' network: each fault by its own name, and nothing on a sound network."""

from __future__ import annotations

import time
from collections import namedtuple
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Any

import pytest

from pxe import dhcpservers, leases, supervisor
from pxe.dhcpservers import CanNotAsk, Server
from pxe.paths import Paths
from runs.bench import newcomers
from runs.bench.newcomers import Asked
from tests.pxe.conftest import bench  # noqa: F401
from tests.pxe.network import SERVER_ADDRESS, SERVER_INTERFACE
from tests.rows import a_host
from vetting import networkstate

pytestmark = pytest.mark.django_db
ROUTER = Server(IPv4Address("10.77.0.254"), IPv4Address("10.77.0.20"))
BOOTS = Server(IPv4Address("10.77.0.254"), IPv4Address("10.77.0.20"), "other.efi")
ONLY_BOOTS = Server(IPv4Address("10.77.0.253"), IPv4Address("0.0.0.0"), "other.efi")
OURS = Server(IPv4Address(SERVER_ADDRESS), IPv4Address("10.77.0.100"), "snponly.efi")
Socket = namedtuple("Socket", "laddr")
Address = namedtuple("Address", "ip port")
Stats = namedtuple("Stats", "mtu")
Bench = Callable[..., Paths]
ALL = "CapInh:\t0000000000000000\nCapBnd:\t000001ffffffffff\n"


@pytest.fixture
def network(bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Callable[..., dict[str, str]]:  # noqa: F811
    """`network(mode, …)`: what is found, by the name of the check. Everything not given is sound."""

    def found(
        mode: str = "dhcp",
        servers: Any = (),
        udp: tuple[int, ...] = (),
        runs: bool = True,
        mtu: int = 1500,
        caps: str = ALL,
    ) -> dict[str, str]:
        def ask(name: str) -> list[Server]:
            if isinstance(servers, Exception):
                raise servers
            return list(servers)

        bench(pxe={"mode": mode})
        status = tmp_path / "status"
        status.write_text(caps)
        monkeypatch.setattr(dhcpservers, "find", ask)
        monkeypatch.setattr(networkstate, "_STATUS", status)
        monkeypatch.setattr(supervisor.Daemon, "find", lambda self: 7 if runs else None)
        sockets = [Socket(Address("0.0.0.0", port)) for port in udp]
        monkeypatch.setattr(networkstate.psutil, "net_connections", lambda kind: sockets)
        monkeypatch.setattr(networkstate.psutil, "net_if_stats", lambda: {SERVER_INTERFACE: Stats(mtu)})
        return {name: what for name, check in networkstate.CHECKS.items() for _, what, fix in check() if fix}

    return found


def test_a_sound_network_has_no_problem(network: Any) -> None:
    assert network() == {}
    assert network(servers=[OURS], udp=(67, 69)) == {}
    assert network("proxy", servers=[ROUTER]) == {}
    assert network("off", servers=CanNotAsk("no"), udp=(67,), runs=False, mtu=1000, caps="CapBnd:\t0\n") == {}


@pytest.mark.parametrize(
    ("given", "check", "says"),
    [
        ({"servers": [ROUTER]}, "other_dhcp", "another DHCP server answers on pxe0: 10.77.0.254 (offers 10.77.0.20)"),
        ({"servers": [ONLY_BOOTS]}, "other_dhcp", "another server lets machines boot something else: 10.77.0.253"),
        ({"mode": "proxy"}, "other_dhcp", "no DHCP server answers on pxe0: hosts get no address"),
        ({"mode": "proxy", "servers": [BOOTS]}, "other_dhcp", "lets machines boot something else: 10.77.0.254"),
        ({"servers": CanNotAsk("pxe0 is down")}, "other_dhcp", "not known whether another DHCP server answers"),
        ({"udp": (67, 5353), "runs": False}, "ports", "another program has UDP port 67"),
        ({"mtu": 1400}, "mtu", "pxe0 has an MTU of 1400"),
    ],
)
def test_each_fault_is_found_by_its_name(network: Any, given: dict[str, Any], check: str, says: str) -> None:
    found = network(**given)
    assert list(found) == [check]
    assert says in found[check]


def test_missing_capabilities_are_named(network: Any) -> None:
    without_raw_and_admin = f"CapBnd:\t{(1 << 41) - 1 & ~(1 << 12) & ~(1 << 13):016x}\n"
    said = network(caps=without_raw_and_admin)["rights"]
    assert said.startswith("this container may not have cap_net_admin, cap_net_raw,")
    assert network(caps="nothing is said\n") == {}


def test_a_pool_that_is_used_up_is_said(network: Any, bench: Bench) -> None:  # noqa: F811
    files = bench(pxe={"mode": "dhcp", "range_start": "10.77.0.100", "range_end": "10.77.0.101"})
    ends = int(time.time()) + 600
    rows = [f"{ends} 52:54:00:00:00:0{n} 10.77.0.10{n} * *" for n in (0, 1)]
    files.leases.write_text("\n".join(rows))
    assert [what for _, what, _ in networkstate._pool()] == [
        "all 2 addresses that DHCP gives out are leased: another host gets none"
    ]
    files.leases.write_text("\n".join([rows[0], rows[1].replace(str(ends), "1000")]))
    assert list(networkstate._pool()) == []


def test_a_machine_that_asked_in_vain_is_named_until_it_is_registered(network: Any, bench: Bench) -> None:  # noqa: F811
    bench()
    mac = "52:54:00:00:00:99"
    newcomers.record([Asked(mac, 7, "PXE", time.time() - 4000), Asked(mac, 7, "PXE", time.time() - 1)])
    ((_, what, fix),) = networkstate._newcomers()
    assert what == f"{mac} asked once as UEFI x64 and is not registered"
    assert f"./manage.py host add NAME --mac {mac}" in fix
    a_host(mac=mac)
    assert list(networkstate._newcomers()) == []


def test_leases_are_read_with_their_end(tmp_path: Any) -> None:
    path = tmp_path / "leases"
    assert leases.current(path, 50) == []
    path.write_text("0 52:54:00:00:00:01 10.0.0.1 * *\n49 52:54:00:00:00:02 10.0.0.2 * *\nduid 00:01\n51 a b\n")
    assert leases.current(path, 50) == ["10.0.0.1"]


def test_the_clock_is_judged_in_an_installation_only(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networkstate, "is_synchronised", lambda: False)
    assert list(networkstate._synchronised()) == []
    settings.INSTALLED = True
    assert [what for _, what, _ in networkstate._synchronised()] == [
        "the clock of this machine is not synchronised, and hosts and reports take their time from it"
    ]
    for answer in (True, None):
        monkeypatch.setattr(networkstate, "is_synchronised", lambda answer=answer: answer)
        assert list(networkstate._synchronised()) == []


def test_the_kernel_is_asked_for_its_clock() -> None:
    assert networkstate.is_synchronised() in (True, False)


@pytest.mark.parametrize(
    ("error", "fix"),
    [
        (dhcpservers.NeedsRoot("asking needs root"), "call it as root: sudo ./manage.py doctor"),
        (CanNotAsk("pxe0 can't send: Network is down"), "`ip link` says how it is"),
    ],
)
def test_what_was_not_asked_is_not_taken_for_silence(network: Any, error: Exception, fix: str) -> None:
    network(servers=error)
    assert [said for _, _, said in networkstate._other_servers()] == [fix]
