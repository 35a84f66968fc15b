"""What the bench carries over its own loopback, just before a host is measured."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pxe import daemon
from pxe.link import iperf, loopback
from pxe.paths import Paths
from runs.dispatcher import LoopbackResult
from tests.pxe.network import Network


def test_too_little_is_a_reason_and_enough_is_told() -> None:
    assert loopback.judged(14_622, 1200) == LoopbackResult(words="the bench carries 14622 Mbit/s over its own loopback")
    assert loopback.judged(90, 1200).why == "too slow: 90 Mbit/s over its own loopback, 1200 needed"


NO_RESULTS = (
    "",
    "garbage",
    "[]",
    "{}",
    '{"error": "the server is busy running a test"}',
    '{"end": {"sum_received": 3}}',
    '{"end": {"sum_received": {"bits_per_second": "1"}}}',
    '{"end": {"sum_received": {"bits_per_second": true}}}',
)


@pytest.mark.parametrize("text", NO_RESULTS)
def test_what_is_no_result_is_no_rate(text: str) -> None:
    assert loopback.parse(text) is None


def test_a_result_is_read() -> None:
    assert loopback.parse(json.dumps({"end": {"sum_received": {"bits_per_second": 1.5e9}}})) == 1500


def wait_for_listener(port: int) -> None:
    """Wait until a process in this thread's network namespace listens: a server that was started needs a moment."""
    listening = re.compile(rf":{port:04X} [0-9A-F]+:0000 0A ")
    until = time.monotonic() + 10
    while not any(listening.search(Path(f"/proc/thread-self/net/{name}").read_text()) for name in ("tcp", "tcp6")):
        assert time.monotonic() < until, f"nothing listens at port {port}"
        time.sleep(0.02)


def test_it_is_measured_with_the_servers_that_hosts_use(bench: Callable[..., Paths], network: Network) -> None:
    if not daemon.which("iperf3"):
        pytest.skip("iperf3 is not installed: apt install iperf3")
    bench(iperf3={"ports": [5201], "link_mbit": 10})
    with network.on_server():
        assert loopback.measure().words == "its own loopback could not be measured", "and is no reason to wait"
        iperf.tick()
        try:
            wait_for_listener(5201)
            found = loopback.measure()
        finally:
            iperf.stop()
    assert found.why == "" and "Mbit/s over its own loopback" in found.words


@pytest.mark.parametrize("config", [{"iperf3": {"supervise": "off"}}, {"bench": {"loopback_min_of_link": 0}}])
def test_where_it_is_not_asked_for_nothing_is_said(
    bench: Callable[..., Paths], config: dict[str, dict[str, object]]
) -> None:
    bench(**config)
    assert loopback.measure() == LoopbackResult()
