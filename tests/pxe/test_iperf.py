"""The iperf3 servers as they really run, on the test's own cable."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator

import pytest

from pxe import daemon, iperf
from pxe.paths import Paths
from runs.bench import problems
from tests.pxe.network import SERVER_ADDRESS, Network

PORTS = [5201, 5202]


@pytest.fixture
def servers(bench: Callable[..., Paths], network: Network) -> Iterator[Network]:
    if not daemon.which("iperf3"):
        pytest.skip("iperf3 is not installed: apt install iperf3")
    bench(iperf3={"ports": PORTS})
    with network.on_server():
        iperf.tick()
    yield network
    iperf.stop()


def pid_of(port: int) -> int:
    """Once it has written its pid: it does so just after it went into the background."""
    for _ in range(200):
        if pid := iperf.server(port).pid():
            return pid
        select.select([], [], [], 0.01)
    raise AssertionError(f"no iperf3 on port {port}")


def test_a_host_can_measure_against_every_port(servers: Network) -> None:
    for port in PORTS:
        pid_of(port)
        with servers.on_client():
            command = ["iperf3", "-c", SERVER_ADDRESS, "-p", str(port), "-n", "1M", "-J"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=20)
        assert "error" not in json.loads(done.stdout)
    assert all(iperf.server(port).pid() for port in (5201, 5202))


def test_one_that_was_killed_is_back_with_the_next_tick_and_the_other_is_left_alone(servers: Network) -> None:
    killed, other = pid_of(5201), pid_of(5202)
    watch = os.pidfd_open(killed)
    os.kill(killed, signal.SIGKILL)
    select.select([watch], [], [], 5)
    os.close(watch)
    with servers.on_server():
        iperf.tick()
    assert pid_of(5201) != killed and pid_of(5202) == other
    assert problems("iperf3") == []


def test_a_port_that_is_taken_is_reported(bench: Callable[..., Paths], network: Network) -> None:
    bench(iperf3={"ports": [5201]})
    with network.on_server(), socket.socket(socket.AF_INET, socket.SOCK_STREAM) as taken:
        taken.bind((SERVER_ADDRESS, 5201))
        taken.listen()
        iperf.tick()
    assert problems("iperf3")[0].what == "iperf3: port 5201 is taken"


def test_an_address_that_is_not_ours_is_reported(bench: Callable[..., Paths], network: Network) -> None:
    bench(web={"address": "10.99.0.1"}, iperf3={"ports": [5201]})
    with network.on_server():
        iperf.tick()
    assert "web.address" in problems("iperf3")[0].fix
