"""The bench's own port: what it negotiated, what someone limits it to, and what it loses, is no host's fault."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from pxe.link import ownport
from pxe.link.ownport import Port, parse_limit, unfit
from pxe.paths import Paths
from runs import lifecycle
from runs.bench import fitness
from runs.bench import problems as bench_status
from runs.bench.load import Shortage
from runs.models import BenchShortage
from tests.pxe.network import Network
from tests.rows import a_host

# As `tc -j qdisc show dev …` of iproute2 6.1 prints them.
TBF = '[{"kind":"tbf","handle":"8001:","root":true,"refcnt":3,"options":{"rate":1250000,"burst":65535,"lat":50000}}]'
HTB = '[{"kind":"htb","handle":"1:","root":true,"refcnt":3,"options":{"r2q":10,"default":"0x1","direct_qlen":1000}}]'
HTB_CLASSES = "class htb 1:1 root prio 0 rate 10Mbit ceil 12Mbit burst 1600b cburst 1597b\n"
CAKE = '[{"kind":"cake","handle":"8002:","root":true,"options":{"bandwidth":12500000,"diffserv":"diffserv3"}}]'
UNSHAPED = '[{"kind":"cake","handle":"8002:","root":true,"options":{"bandwidth":"unlimited"}}]'
NETEM = '[{"kind":"netem","handle":"8003:","root":true,"options":{"rate":{"rate":6250000,"packetoverhead":0}}}]'
PLAIN = '[{"kind":"pfifo_fast","handle":"0:","root":true,"refcnt":2,"options":{"bands":3,"priomap":[1,2]}}]'
BAND = '[{"kind":"mq","handle":"0:","root":true,"options":{}},{"kind":"tbf","parent":":1","options":{"rate":125000}}]'


@pytest.mark.parametrize(
    ("qdiscs", "classes", "mbit"),
    [
        (TBF, "", 10),
        (HTB, HTB_CLASSES, 12),
        (HTB, HTB_CLASSES + "class htb 1:2 root prio 0 rate 1Gbit ceil 2.5Gbit burst 1b\n", 2500),
        (CAKE, "", 100),
        (NETEM, "", 50),
        (HTB, "", None),
        (UNSHAPED, "", None),
        (PLAIN, "", None),
        (BAND, "", None),
        ("", "", None),
        ("garbage", "", None),
        ('{"kind":"tbf"}', "", None),
        ('[7,{"root":true,"options":3},{"root":true,"kind":"tbf","options":{"rate":"fast"}}]', "", None),
        ('[{"root":true,"kind":"tbf","options":{"rate":true}}]', "", None),
    ],
)
def test_a_limit_is_read_from_what_tc_prints(qdiscs: str, classes: str, mbit: float | None) -> None:
    assert parse_limit(qdiscs, classes) == mbit


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (Port("eth1", limit_mbit=10), "limited to 10 Mbit/s (tc), iperf3.link_mbit is 1000"),
        (Port("eth1", speed_mbit=100), "negotiated 100 Mbit/s, iperf3.link_mbit is 1000"),
        (Port("eth1", errors=90, packets=30_000), "counts errors in 0.4 % of packets"),
        (Port("eth1", speed_mbit=10_000, limit_mbit=2000, errors=12, packets=30_000), ""),
        (Port("eth1", errors=999, packets=10_100), ""),  # too few packets to say
        (Port("eth2", errors=9999, packets=30_000), ""),  # another port than before
        (Port("eth1"), ""),
    ],
)
def test_a_port_that_cannot_carry_what_is_said_of_it_is_unfit(now: Port, words: str) -> None:
    why = unfit(now, Port("eth1", errors=10, packets=10_000), 1000, 0.1)
    assert (words in why) if words else why == ""


def nic(
    net: Path, name: str, speed: str = "", *, real: bool = False, bond: bool = False, lower: str = "", carrier: str = ""
) -> None:
    (net / name).mkdir(parents=True)
    if carrier:
        (net / name / "carrier").write_text(f"{carrier}\n")
    if speed:
        (net / name / "speed").write_text(f"{speed}\n")
    if real:
        (net / name / "device").mkdir()
    if bond:
        (net / name / "bonding").mkdir()
    for each in lower.split():
        (net / name / f"lower_{each}").mkdir()


def test_a_bridge_is_as_fast_as_its_real_port_and_no_tap_or_veth_is_believed(tmp_path: Path) -> None:
    nic(tmp_path, "vmbr0", "10000", lower="eno1 tap100i0 veth101i0")
    nic(tmp_path, "eno1", "1000", real=True)
    nic(tmp_path, "tap100i0", "10")
    nic(tmp_path, "veth101i0", "10000")
    assert ownport.speed_mbit("vmbr0", tmp_path) == 1000
    assert ownport.lowest("vmbr0", tmp_path) == ["eno1"]
    assert ownport.speed_mbit("veth101i0", tmp_path) is None


def test_a_bond_is_as_fast_as_it_says_and_a_vlan_on_it_too(tmp_path: Path) -> None:
    nic(tmp_path, "bond0.20", lower="bond0")
    nic(tmp_path, "bond0", "2000", bond=True, lower="eno1 eno2")
    nic(tmp_path, "eno1", "1000", real=True)
    nic(tmp_path, "eno2", "1000", real=True)
    assert ownport.speed_mbit("bond0.20", tmp_path) == 2000
    assert ownport.lowest("bond0.20", tmp_path) == ["eno1", "eno2"]


@pytest.mark.parametrize("speed", ["-1", "", "fast", "0"])
def test_a_port_that_does_not_tell_its_speed_is_not_judged_by_it(tmp_path: Path, speed: str) -> None:
    nic(tmp_path, "eth0", speed, real=True)
    assert ownport.speed_mbit("eth0", tmp_path) is None


@pytest.mark.parametrize(
    ("carriers", "link"),
    [(("0",), False), (("1",), True), (("0", "0"), False), (("0", "1"), True), (("0", ""), None), (("",), None)],
)
def test_a_port_has_no_link_if_every_real_port_below_it_says_so(
    tmp_path: Path, carriers: tuple[str, ...], link: bool | None
) -> None:
    names = [f"eno{n}" for n in range(len(carriers))]
    nic(tmp_path, "vmbr0", lower=" ".join([*names, "tap100i0"]), carrier="0")
    nic(tmp_path, "tap100i0", carrier="1")
    for name, carrier in zip(names, carriers, strict=True):
        nic(tmp_path, name, "-1", real=True, carrier=carrier)
    assert ownport.has_link("vmbr0", tmp_path) is link


def test_the_carrier_of_a_veth_or_a_bridge_without_real_ports_says_nothing_of_a_cable(tmp_path: Path) -> None:
    nic(tmp_path, "eth1", carrier="0")
    nic(tmp_path, "vmbr1", carrier="0", lower="tap100i0")
    nic(tmp_path, "tap100i0", carrier="0")
    assert ownport.has_link("eth1", tmp_path) is ownport.has_link("vmbr1", tmp_path) is None


def test_a_port_that_is_set_down_has_no_link(tmp_path: Path) -> None:
    nic(tmp_path, "eth1", real=True)  # the kernel refuses to read its carrier
    (tmp_path / "eth1" / "operstate").write_text("down\n")
    assert ownport.has_link("eth1", tmp_path) is False


@pytest.mark.parametrize(("flags", "down"), [("0x1002", True), ("0x1003", False), ("", False)])
def test_an_interface_that_is_set_down_is_seen_whatever_it_is(tmp_path: Path, flags: str, down: bool) -> None:
    nic(tmp_path, "veth1")
    if flags:
        (tmp_path / "veth1" / "flags").write_text(f"{flags}\n")
    assert ownport.is_set_down("veth1", tmp_path) is down


def on_this_machine(monkeypatch: pytest.MonkeyPatch, net: Path, holder: str) -> None:
    """The ports of `net`; `holder` has web.address."""
    monkeypatch.setattr(ownport, "_looked_at", None)
    monkeypatch.setattr(ownport, "_named", lambda address: holder)
    monkeypatch.setattr(ownport.unreachable, "__defaults__", (net,))


@pytest.mark.parametrize(
    ("holder", "carrier", "mode", "why"),
    [
        ("pxe0", "0", "dhcp", "its own port pxe0 has no link"),
        ("", "0", "dhcp", "its own port pxe0 has no link"),  # networkd has removed the address
        ("", "1", "dhcp", "no port has web.address 10.77.0.1"),
        ("", "0", "off", ""),  # another machine may have the address, and pass calls on
        ("pxe0", "1", "dhcp", ""),
        ("pxe0", "", "dhcp", ""),
    ],
)
def test_a_bench_that_no_host_can_reach_knows_it(
    bench: Callable[..., Paths], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    holder: str, carrier: str, mode: str, why: str,
) -> None:  # fmt: skip
    bench(pxe={"mode": mode})
    nic(tmp_path, "pxe0", "-1", real=True, carrier=carrier)
    on_this_machine(monkeypatch, tmp_path, holder)
    assert ownport.unreachable() == why


@pytest.mark.postgresql
def test_a_port_without_a_link_is_told_and_is_on_record_while_somebody_is_waited_for(
    bench: Callable[..., Paths], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, db: None
) -> None:
    bench()
    nic(tmp_path, "pxe0", "-1", real=True, carrier="0")
    on_this_machine(monkeypatch, tmp_path, "pxe0")
    ownport.tick()
    assert bench_status.problems("port")[0].what.startswith(
        "No host can reach this bench: its own port pxe0 has no link"
    )
    assert not BenchShortage.objects.exists()
    lifecycle.start_run(a_host())
    monkeypatch.setattr(ownport, "_looked_at", None)
    ownport.tick()
    assert BenchShortage.objects.values_list("kind", "site", "why").get() == (
        "link", "10.77.0.1", "its own port pxe0 has no link",
    )  # fmt: skip
    assert fitness.poor_port_now() == "its own port pxe0 has no link"


@pytest.mark.postgresql
def test_a_slow_port_of_another_site_is_not_ours(bench: Callable[..., Paths], db: None) -> None:
    bench()
    fitness.note(BenchShortage.PORT, Shortage("100 Mbit/s", 1.0), timezone.now(), "10.88.0.1")
    assert fitness.poor_port_now() == ""
    fitness.note(BenchShortage.PORT, Shortage("10 Mbit/s", 1.0), timezone.now(), "10.77.0.1")
    assert fitness.poor_port_now() == "10 Mbit/s"


def test_a_shortage_of_a_later_time_neither_goes_on_nor_hides_the_present_one(db: None) -> None:
    """The clock was set back."""
    later = timezone.now() + timedelta(hours=2)
    BenchShortage.objects.create(kind="port", why="100 Mbit/s", started_at=later, ended_at=later)
    assert fitness.poor_port_now() == ""
    fitness.note(BenchShortage.PORT, Shortage("10 Mbit/s", 1.0), timezone.now())
    assert fitness.poor_port_now() == "10 Mbit/s"
    assert BenchShortage.objects.count() == 2


def test_a_real_limit_on_the_port_is_seen_and_told_until_it_is_gone(
    bench: Callable[..., Paths], network: Network, monkeypatch: pytest.MonkeyPatch, db: None
) -> None:
    if not shutil.which("tc", path="/usr/sbin:/sbin:/usr/bin"):
        pytest.skip("tc is not installed: apt install iproute2")
    monkeypatch.setattr(ownport, "_looked_at", None)
    bench(iperf3={"link_mbit": 100})
    with network.on_server():
        ownport.tick()
        assert fitness.poor_port_now() == ""
        name = ownport.look().name
        ownport._tc("qdisc", "add", "dev", name, "root", "tbf", "rate", "10mbit", "burst", "65536", "latency", "50ms")
        monkeypatch.setattr(ownport, "_looked_at", None)
        ownport.tick()
    assert fitness.poor_port_now() == f"its own port {name} is limited to 10 Mbit/s (tc), iperf3.link_mbit is 100"
    assert "limited to 10 Mbit/s" in str(bench_status.problems("port")[0])
