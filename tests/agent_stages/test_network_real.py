"""Network's tests of one card with the real iperf3 and ping, over a cable into another namespace."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.contract import wire
from agent.exercises import throughput
from agent.probes.network.nics import NicState
from agent.reports.partial_report import PartialReport
from agent.reports.progress import ProgressBoard
from agent.stages.network import stage as network
from tests.agent_stages.contexts import context

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="a namespace needs root"),
    pytest.mark.skipif(not all(map(shutil.which, ("ip", "tc", "iperf3", "ping"))), reason="ip, tc, iperf3, ping"),
]
MAC = "52:54:00:00:00:09"
HERE, THERE = "169.254.201.1", "169.254.201.2"
IPERF = wire.IperfServer(THERE, [5201], 100, os.cpu_count() or 1)


def sh(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, timeout=20)


class Cable:
    """`near` is the card under test, the far end with its iperf3 server is in a namespace."""

    def __init__(self) -> None:
        self.space, self.near = f"cable-{os.getpid()}", f"vt{os.getpid()}"[:15]

    def lay(self) -> None:
        sh("ip", "netns", "add", self.space)
        sh("ip", "link", "add", self.near, "type", "veth", "peer", "name", "far", "netns", self.space)
        for where, name, address in (((), self.near, HERE), (("-n", self.space), "far", THERE)):
            sh("ip", *where, "addr", "add", f"{address}/30", "dev", name)
            sh("ip", *where, "link", "set", name, "up")

    def spoil(self, rate_mbit: int, loss_percent: int) -> None:
        """The rate at both ends, so that each direction has it; packets are lost at one, both ways."""
        slow = ("root", "tbf", "rate", f"{rate_mbit}mbit", "burst", "32kb", "latency", "50ms")
        sh("tc", "qdisc", "add", "dev", self.near, *slow)
        sh("ip", "netns", "exec", self.space, "tc", "qdisc", "add", "dev", "far", *slow)
        sh(sys.executable, "-m", "tests.rack.packetloss", self.near, str(loss_percent))

    def cut(self) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            sh("ip", "link", "del", self.near)
        sh("ip", "netns", "del", self.space)

    def measured(self, tmp_path: Path) -> PartialReport:
        report, params = (
            PartialReport(),
            {"throughput_duration_s": 1, "busy_wait_s": 5, "ping_count": 300, "throughput_tries": 1},
        )
        ctx = context("Network", tmp_path, params=params, iperf=IPERF)
        state = NicState(self.near, MAC, "veth", "", True, 100, "full")
        throughput.measure(ctx, state, HERE, report, ProgressBoard(ctx))
        network._loss(ctx, state, THERE, report, ProgressBoard(ctx))
        return report


@pytest.fixture
def cable() -> Iterator[Cable]:
    cable = Cable()
    try:
        cable.lay()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no namespace or veth here: {error.stderr.decode().strip()}")
    server = subprocess.Popen(
        ["ip", "netns", "exec", cable.space, "iperf3", "-s", "--forceflush"], stdout=subprocess.PIPE
    )
    try:
        server.stdout.readline()
        yield cable
    finally:
        server.terminate()
        server.wait(10)
        server.stdout.close()
        cable.cut()


def test_a_good_cable_passes(cable: Cable, tmp_path: Path) -> None:
    report = cable.measured(tmp_path)
    assert {check.name: check.outcome for check in report.checks} == dict.fromkeys(
        ("throughput", "both_ways", "loss"), wire.Outcome.PASSED
    ), [check.reason for check in report.checks]


def test_a_slow_and_lossy_cable_is_blamed_on_the_card(cable: Cable, tmp_path: Path) -> None:
    cable.spoil(rate_mbit=20, loss_percent=4)
    report = cable.measured(tmp_path)
    assert {check.name: check.outcome for check in report.checks} == dict.fromkeys(
        ("throughput", "both_ways", "loss"), wire.Outcome.FAILED
    ), [check.reason for check in report.checks]
    critical = {one.code for one in report.findings if one.severity is wire.Severity.CRITICAL}
    assert critical == {"network.slow", "network.loss"}
    assert {one.component for one in report.findings} == {MAC}
