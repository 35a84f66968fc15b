"""The iperf3 servers as they really run, on the test's own cable."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pxe import daemon
from pxe.link import iperf
from pxe.paths import Paths
from runs.bench.problems import problems
from tests.pxe.network import SERVER_ADDRESS, Network
from vetting import keeper

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


def has_ended(pid: int) -> bool:
    return pid not in {one.pid for one in daemon.running("iperf3")}


@pytest.mark.parametrize(
    "section", [{"ports": [5202]}, {"ports": []}, {"supervise": "off"}, {"supervise": "unit"}], ids=repr
)
def test_a_server_that_vetting_yaml_no_longer_wants_ends_with_the_next_tick(
    servers: Network, bench: Callable[..., Paths], section: dict[str, Any]
) -> None:
    taken_out, other = pid_of(5201), pid_of(5202)
    bench(iperf3={"ports": PORTS} | section)
    with servers.on_server():
        iperf.tick()
    assert has_ended(taken_out)
    assert has_ended(other) == (section.get("ports") != [5202])


def test_one_at_an_address_that_is_no_longer_ours_makes_room(servers: Network, bench: Callable[..., Paths]) -> None:
    before = [pid_of(port) for port in PORTS]
    bench(web={"address": "127.0.0.1"}, iperf3={"ports": PORTS})
    with servers.on_server():
        iperf.tick()
    assert all(map(has_ended, before))
    assert problems("iperf3") == []


@pytest.fixture
def unit(bench: Callable[..., Paths], network: Network) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """A server as vetting-iperf3@.service runs it, of an installation with this directory of pid files."""
    made: list[subprocess.Popen[bytes]] = []

    def start(port: int, pid_dir: Path) -> subprocess.Popen[bytes]:
        pid_dir.mkdir(parents=True, exist_ok=True)
        pid_file = str(pid_dir / f"iperf3-unit-{port}.pid")
        command = [daemon.which("iperf3") or pytest.skip("iperf3 is not installed: apt install iperf3")]
        with network.on_server():
            made.append(subprocess.Popen([*command, "--server", "--port", str(port), "--pidfile", pid_file]))
        return made[-1]

    yield start
    for one in made:
        one.kill()
        one.wait()


def test_of_the_units_only_ours_whose_port_was_taken_out_ends(
    bench: Callable[..., Paths], unit: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    files = bench(iperf3={"supervise": "unit", "ports": [5202, 5203]})
    kept, taken_out = unit(5202, files.pid_dir), unit(5201, files.pid_dir)
    of_another = unit(5204, tmp_path / "other")
    assert iperf.strays()[0].what.startswith(f"iperf3 (process {taken_out.pid}) runs although")
    iperf.tick()
    assert taken_out.wait(2) is not None
    assert (kept.poll(), of_another.poll()) == (None, None)
    assert [one.what for one in problems("iperf3")] == ["vetting-iperf3@5203 not running"]


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("iperf3: {supervise: unit, ports: [5201, 5202]}", keeper.MAY),
        ("iperf3: {supervise: unit, ports: [5202]}", keeper.MAY_NOT),
        ("iperf3: {supervise: unit, ports: []}", keeper.MAY_NOT),
        ("iperf3: {supervise: tick}", keeper.MAY_NOT),
        ("iperf3: {supervise: off}", keeper.MAY_NOT),
        ("iperf3: {supervise: sometimes}", keeper.MAY),
    ],
)
def test_a_unit_asks_vetting_yaml_whether_its_port_is_wanted(tmp_path: Path, said: str, answer: int) -> None:
    (tmp_path / "vetting.yaml").write_text(said)
    assert keeper.main(["port", str(tmp_path / "vetting.yaml"), str(tmp_path), "5201"]) == answer


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
