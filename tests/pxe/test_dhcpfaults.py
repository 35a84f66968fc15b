"""dnsmasq has a request and no address to give: the bench's fault, on the pages and in the run's reason."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pxe import dhcpfaults, dnsmasqlog
from pxe.dhcpfaults import NO_NETWORK, RELAYED, USED_UP, Fault
from pxe.paths import Paths
from runs import ladder
from runs.bench import problems as bench_status
from runs.machine import State
from runs.models import Run
from tests.pxe import dhcpclient
from tests.pxe.conftest import tick
from tests.pxe.network import SERVER_ADDRESS, SERVER_INTERFACE, Network
from tests.rows import a_host, a_run

Bench = Callable[..., Paths]
MAC, OTHER = "52:54:00:00:00:01", "52:54:00:00:00:02"
DISCOVER = f"2894 DHCPDISCOVER({SERVER_INTERFACE})"


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (f"no address range available for DHCP request via {SERVER_INTERFACE}", Fault(NO_NETWORK, via="pxe0")),
        (f"DHCP packet received on {SERVER_INTERFACE} which has no address", Fault(NO_NETWORK, via="pxe0")),
        ("no address range available for DHCP request via 10.9.0.1", Fault(RELAYED, via="10.9.0.1")),
        ("no address range available for DHCP request with subnet selector 10.9.0.0", Fault(RELAYED, via="10.9.0.0")),
        (f"{DISCOVER} {MAC} no address available", Fault(USED_UP, MAC)),
        (f"{DISCOVER} 10.77.0.101 {MAC} no address available", Fault(USED_UP, MAC)),
        (f"{DISCOVER} {MAC} no leases left", Fault(USED_UP, MAC)),
        (f"{DISCOVER} {MAC} ignored", None),
        (f"{DISCOVER} {MAC} ", None),
        (f"2894 DHCPOFFER({SERVER_INTERFACE}) 10.77.0.101 {MAC} ", None),
        (f"2894 vendor class: {MAC} no address available", None),
        ("", None),
    ],
)
def test_the_lines_that_tell_of_a_fault(line: str, found: Fault | None) -> None:
    assert dhcpfaults.fault(line) == found


def test_a_fault_is_told_for_ten_minutes_or_until_a_machine_is_offered_an_address() -> None:
    used_up = Fault(USED_UP, MAC)
    kept = dhcpfaults.remembered({}, [(used_up, False)], 1000)
    assert dhcpfaults.remembered(kept, [], 1599) == kept
    assert dhcpfaults.remembered(kept, [], 1600) == {}
    assert dhcpfaults.remembered(kept, [(None, True)], 1001) == {}
    assert dhcpfaults.remembered(kept, [(None, True), (used_up, False)], 1001)[USED_UP]["at"] == 1001


@pytest.fixture
def waiting(dnsmasq_bench: Bench, db: None) -> Iterator[Callable[[str], Run]]:
    """`waiting(mac)`: a run whose host was woken and is waited for."""
    names = iter(("node-1", "node-2", "node-3"))

    def made(mac: str) -> Run:
        from django.utils import timezone

        return a_run(
            a_host(name=next(names), mac=mac), state=State.WAITING_WOL, verdict="", boot=1, started_at=timezone.now()
        )

    return made


def ask(network: Network, mac: str) -> dhcpclient.Answer | None:
    with network.on_client():
        return dhcpclient.lease(mac, wait_s=5)


def told(network: Network, source: str = "dhcp") -> list[str]:
    """What the pages say once dnsmasq's line is in its log."""
    for _ in range(20):
        tick(network)
        if found := [one.what for one in bench_status.problems(source)]:
            return found
        time.sleep(0.1)
    return []


@pytest.mark.slow
def test_the_real_dnsmasq_has_no_address_left(dnsmasq_bench: Bench, network: Network, waiting: Any) -> None:
    dnsmasq_bench(pxe={"range_start": "10.77.0.100", "range_end": "10.77.0.100"})
    served, refused = waiting(MAC), waiting(OTHER)
    tick(network)
    assert ask(network, MAC) is not None
    assert ask(network, OTHER) is None
    (what,) = told(network)
    assert what.startswith("all 1 addresses that DHCP gives out (10.77.0.100 to 10.77.0.100) are in use")
    why = ladder.stopped_at(refused)
    assert why.startswith("Our own fault: all 1 addresses") and "got none" in why and "Wake-on-LAN" not in why
    assert "Our own fault" not in ladder.stopped_at(served)


@pytest.mark.slow
def test_the_real_dnsmasq_has_no_range_for_the_interface_s_network(
    dnsmasq_bench: Bench, network: Network, waiting: Any
) -> None:
    dnsmasq_bench()
    run = waiting(MAC)
    with network.on_server():
        subprocess.run(["ip", "address", "del", f"{SERVER_ADDRESS}/24", "dev", SERVER_INTERFACE], check=True)
        subprocess.run(["ip", "address", "add", "10.78.0.1/24", "dev", SERVER_INTERFACE], check=True)
    tick(network)
    assert ask(network, MAC) is None
    (what,) = told(network)
    assert what.startswith("pxe0 has no address in pxe.subnet 10.77.0.0/24")
    assert ladder.stopped_at(run).startswith("Our own fault: pxe0 has no address in pxe.subnet")


@pytest.mark.django_db
def test_the_log_of_a_bench_that_serves_says_nothing(bench: Bench) -> None:
    bench()
    reader = dnsmasqlog.Reader()
    line = f"Nov 23 22:48:44 dnsmasq-dhcp[7]: 99 DHCPOFFER(pxe0) 10.77.0.101 {MAC} "
    list(reader.read([line]))
    assert dhcpfaults.remembered({}, reader.refused, 1000) == {}
