"""The rack's network: real namespaces, bridges and sockets, gone when the test ends."""

from __future__ import annotations

import os
import queue
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
import wakeonlan

from tests.rack import cable, netns, warden
from tests.rack.forwarder import Forwarder
from tests.rack.machinefile import Nic
from tests.rack.netns import Namespace
from tests.rack.orchestrator import ROOT
from tests.rack.wake import WakeListener

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")
MAC = "52:54:00:12:34:56"
# IEEE 802's ethertype for trials.
EXPERIMENTAL = 0x88B5


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    namespace = netns.create()
    yield namespace
    warden.sweep(namespace)


def shown(namespace: Namespace, *command: str) -> str:
    return subprocess.run(namespace.enter_command(command), capture_output=True, text=True, check=True).stdout


def test_a_namespace_is_its_owners_while_that_lives(namespace: Namespace) -> None:
    assert namespace in netns.all_of_racks()
    assert not netns.owner_is_gone(namespace)


def test_a_pid_that_is_another_process_by_now_is_not_the_owner() -> None:
    assert netns.owner_is_gone(Namespace(f"vetting-{os.getpid()}-1-abcd"))


def test_only_the_thread_that_goes_inside_is_inside(namespace: Namespace) -> None:
    outside = os.readlink("/proc/self/ns/net")
    ask, answers = threading.Event(), queue.Queue[str]()

    def other() -> None:
        ask.wait(5)
        answers.put(os.readlink("/proc/thread-self/ns/net"))

    threading.Thread(target=other).start()
    with namespace.inside():
        assert os.readlink("/proc/thread-self/ns/net") != outside
        ask.set()
        assert answers.get(timeout=5) == outside
    assert os.readlink("/proc/thread-self/ns/net") == outside


@pytest.mark.parametrize("address", [netns.BROADCAST, "255.255.255.255"])
def test_a_magic_packet_from_inside_is_heard(namespace: Namespace, address: str) -> None:
    heard: queue.Queue[str] = queue.Queue()
    listener = WakeListener(namespace, heard.put)
    with namespace.inside():
        wakeonlan.wake(MAC, host=address, port=9)
    assert heard.get(timeout=5) == MAC
    listener.close()


def test_the_door_leads_to_a_server_inside(namespace: Namespace) -> None:
    with namespace.inside():
        server = socket.create_server((netns.ADDRESS, 8000))
    door = Forwarder(namespace, 8000)
    with server, socket.create_connection(("127.0.0.1", door.port), timeout=5) as client:
        inner, _ = server.accept()
        with inner:
            client.sendall(b"ping")
            assert inner.recv(4) == b"ping"
            inner.sendall(b"pong")
            assert client.recv(4) == b"pong"
    door.close()


def test_a_closed_server_closes_the_door_again(namespace: Namespace) -> None:
    door = Forwarder(namespace, 8000)
    with socket.create_connection(("127.0.0.1", door.port), timeout=5) as client:
        assert client.recv(1) == b""
    door.close()


def test_a_slow_cable_is_slow_on_both_ends(namespace: Namespace) -> None:
    cable.lay(namespace, 0, Nic(model="virtio", mac=MAC, rate_mbit=10))
    for device in ("near0", "far0"):
        assert "tbf" in shown(namespace, "tc", "qdisc", "show", "dev", device)
        assert "rate 10Mbit" in shown(namespace, "tc", "qdisc", "show", "dev", device)
    assert "master brslow0" in shown(namespace, "ip", "link", "show", "tap0")


def test_a_sound_cable_is_a_tap_in_the_bridge(namespace: Namespace) -> None:
    assert cable.lay(namespace, 1, Nic(model="virtio", mac=MAC)) == "tap1"
    assert "master br0" in shown(namespace, "ip", "link", "show", "tap1")


def test_a_lossy_device_loses_about_its_share(namespace: Namespace) -> None:
    """A packet to oneself passes the loopback device four times, out and in for each way: 0.9^4 of 400 come back."""
    command = namespace.enter_command([sys.executable, "-m", "tests.rack.packetloss", "lo", "10"])
    subprocess.run(command, cwd=ROOT, check=True)
    ping = namespace.enter_command(["ping", "-q", "-i", "0.002", "-c", "400", "-W", "1", "127.0.0.1"])
    said = subprocess.run(ping, capture_output=True, text=True).stdout
    received = re.search(r"(\d+) received", said)
    assert received is not None
    assert 0.5 < int(received[1]) / 400 < 0.8


def test_a_short_frame_is_padded_and_a_longer_one_left_as_it_is(namespace: Namespace) -> None:
    namespace.ip("link", "add", "near", "type", "veth", "peer", "name", "far")
    for device in ("near", "far"):
        namespace.ip("link", "set", device, "up")
    subprocess.run(namespace.enter_command([sys.executable, "-m", "tests.rack.padding", "near"]), cwd=ROOT, check=True)
    header = b"\xff" * 6 + b"\x02" + bytes(5) + EXPERIMENTAL.to_bytes(2, "big")
    with namespace.inside():
        near = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        far = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(EXPERIMENTAL))
    with near, far:
        far.bind(("far", EXPERIMENTAL))
        far.settimeout(5)
        for sent in (header + b"short", header + bytes(86)):
            near.sendto(sent, ("near", 0))
            assert far.recv(200) == sent.ljust(60, b"\0")


def test_the_sweep_ends_what_lives_inside_and_takes_the_devices_along(namespace: Namespace) -> None:
    sleeper = subprocess.Popen(namespace.enter_command(["sleep", "60"]), start_new_session=True)
    cable.lay(namespace, 0, Nic(model="virtio", mac=MAC))
    while not namespace.pids():
        assert sleeper.poll() is None
    warden.sweep(namespace)
    assert sleeper.wait(timeout=5) == -9
    assert namespace not in netns.all_of_racks()
