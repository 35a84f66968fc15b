"""Burn's network: what joins, and what is said of what does not. The real iperf3 goes over a cable into a namespace."""

from __future__ import annotations

import math
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from agent.contract import wire
from agent.exercises import throughput
from agent.link.heartbeat import AtWork, Heartbeat
from agent.probes.network import nics
from agent.probes.network.nics import NicState
from agent.stage import StageContext
from agent.stages.burn import burn_network
from agent.stages.burn import stage as burn
from tests.agent_stages import toolbench
from tests.agent_stages.contexts import INVENTORY, context
from tests.agent_stages.recordings import RECORDED
from tests.agent_stages.test_network_real import HERE, IPERF, Cable, cable  # noqa: F401

PASSED, NOT_TESTED = wire.Outcome.PASSED, wire.Outcome.NOT_TESTED
BENCH = wire.IperfServer("10.0.0.1", [5201], 1000)
PARAMS = {"network_test_s": 0.1, "network_streams": 2}


def ctx(tmp_path: Path, lent_s: float = math.inf, iperf: wire.IperfServer = BENCH, **params: object) -> StageContext:
    made = context("Burn", tmp_path, params={**PARAMS, **params}, iperf=iperf)
    return replace(made, link_s=lambda: lent_s)


@pytest.fixture
def well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One card with a link and an address, and an iperf3 that says what a real one did both ways."""
    tools = tmp_path / "bin"
    tools.mkdir()
    toolbench._script(tools / "ip", toolbench._text(toolbench.ADDRESSES))
    toolbench._script(tools / "iperf3", f"exec /bin/cat '{RECORDED / 'iperf3' / 'both-ways.json'}'")
    monkeypatch.setenv("PATH", str(tools))
    monkeypatch.setattr(nics, "names", lambda *_: ["eth9"])
    monkeypatch.setattr(nics, "state", lambda *_: NicState("eth9", toolbench.MAC, "e1000e", "", True, 1000, "full"))
    monkeypatch.setattr(nics, "traffic", lambda *_: None)
    monkeypatch.setattr(burn_network, "_AROUND_S", 0.05)
    monkeypatch.setattr(burn_network, "_LOOK_S", 0.05)
    monkeypatch.setattr(throughput, "_COUNTED_LATE_S", 0.0)
    return tools


def only(report: object) -> tuple[wire.Outcome, str]:
    (check,) = report.checks
    assert (check.name, check.topic) == ("network", "network")
    return check.outcome, check.reason


@pytest.mark.usefixtures("well")
def test_the_network_joins_while_the_link_is_lent(tmp_path: Path) -> None:
    report = burn_network.run(ctx(tmp_path), 0.5)
    outcome, reason = only(report)
    assert outcome is PASSED and "beside all other loads" in reason
    assert report.numbers[f"burn_network_mb.{toolbench.MAC}"] > 0


@pytest.mark.usefixtures("well")
@pytest.mark.parametrize(
    ("lent_s", "iperf", "words"),
    [
        (0.0, BENCH, "the bench's link was not free"),
        (0.1, BENCH, "the bench's link was not free"),
        (math.inf, wire.IperfServer(), "the bench names no iperf3 server"),
        (math.inf, wire.IperfServer("10.0.0.1"), "the bench names no iperf3 server"),
    ],
)
def test_what_did_not_join_is_said(lent_s: float, iperf: wire.IperfServer, words: str, tmp_path: Path) -> None:
    outcome, reason = only(burn_network.run(ctx(tmp_path, lent_s, iperf), 0.3))
    assert outcome is NOT_TESTED
    assert reason.startswith("network did not join: ") and words in reason


def test_a_load_that_is_shorter_than_a_test_says_so(well: Path, tmp_path: Path) -> None:
    assert "too short for a test of 10 s" in only(burn_network.run(ctx(tmp_path, network_test_s=10), 0.2))[1]


@pytest.mark.parametrize(
    ("tool", "body", "words"),
    [
        ("iperf3", f"exec /bin/cat '{RECORDED / 'iperf3' / 'refused.json'}'", "refused"),
        ("iperf3", "exit 1", "iperf3"),
        ("iperf3", "echo '{}'", "sum_received"),
        ("ip", "exit 1", "ip"),
        ("ip", "echo '[]'", "no port has a link and an address"),
    ],
)
def test_a_test_that_came_to_nothing_is_no_join(tool: str, body: str, words: str, well: Path, tmp_path: Path) -> None:
    toolbench._script(well / tool, body)
    outcome, reason = only(burn_network.run(ctx(tmp_path), 0.3))
    assert outcome is NOT_TESTED
    assert words in reason


@pytest.mark.usefixtures("well")
def test_what_went_by_another_card_is_no_join(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nics, "traffic", lambda *_: nics.Traffic(0, 0))
    outcome, reason = only(burn_network.run(ctx(tmp_path), 0.3))
    assert outcome is NOT_TESTED and "went by this card" in reason


@pytest.mark.usefixtures("well")
def test_a_card_that_counts_late_joins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = [nics.Traffic(0, 0), nics.Traffic(0, 0), nics.Traffic(10**18, 10**18)]
    monkeypatch.setattr(nics, "traffic", lambda *_: seen.pop(0) if seen else None)
    assert only(burn_network.run(ctx(tmp_path), 0.3))[0] is PASSED


def test_burn_passes_and_says_what_did_not_join(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    monkeypatch.setenv("PATH", toolbench.install(tools))
    toolbench.be_well(monkeypatch, tmp_path, "")
    (tools / "gpu_burn").unlink()
    made = context(
        "Burn", tmp_path, inventory=toolbench.inventory(), params={"duration_s": 1, "memory_max_mb": 64, "waves_s": 0}
    )
    report = burn.run(made)
    assert report.outcome is PASSED, report.reason
    said = {check.name: check.reason for check in report.checks if check.outcome is NOT_TESTED}
    assert said["network"] == "network did not join: the bench names no iperf3 server"
    assert said["gpu"].startswith("GPU did not join: no load tool for GPUs is installed")


def test_gpus_join_where_a_tool_is_and_one_that_calculates_wrongly_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    monkeypatch.setenv("PATH", toolbench.install(tools))
    toolbench.be_well(monkeypatch, tmp_path, "")
    made = context(
        "Burn", tmp_path, inventory=toolbench.inventory(), params={"duration_s": 1, "memory_max_mb": 64, "waves_s": 0}
    )
    assert {check.name: check.outcome for check in burn.run(made).checks}["gpu"] is PASSED
    toolbench._script(tools / "gpu_burn", toolbench.HEALTHY["gpu_burn"].replace("GPU 0: OK", "GPU 0: FAULTY"))
    report = burn.run(made)
    assert report.outcome is wire.Outcome.FAILED
    assert [one.code for one in report.findings] == ["gpu.miscompare"]


def test_a_host_without_gpus_says_nothing_of_them(tmp_path: Path) -> None:
    from agent.exercises import gpu_load

    assert gpu_load.during_burn(context("Burn", tmp_path, inventory=INVENTORY), 1).checks == []


# --- the lease ---------------------------------------------------------------------------------------------------


def test_the_link_is_lent_from_when_the_question_was_sent_and_only_to_the_stage_that_asked() -> None:
    import time

    heartbeat = Heartbeat(None, "boot-1", lambda answer: None, lambda level, text: None)
    at_work, now = AtWork("Burn", 1), time.monotonic()
    answer = wire.HeartbeatAnswer(wire.Cmd.CONTINUE, "Burn", 1, True, link_s=20.0)
    heartbeat._answered(answer, at_work, now - 5)
    assert 14 < heartbeat.link_s() <= 15
    heartbeat._answered(answer, AtWork("Memory", 1), now)
    assert heartbeat.link_s() == 0.0
    for nonsense in (math.nan, math.inf, -3.0):
        heartbeat._answered(replace(answer, link_s=nonsense), at_work, now)
        assert heartbeat.link_s() == 0.0


@pytest.mark.slow
@pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("ip", "iperf3"))), reason="a namespace needs root, ip and iperf3"
)
def test_a_real_test_goes_over_the_cable(
    cable: Cable,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port = NicState(cable.near, toolbench.MAC, "veth", "", True, 100, "full")
    monkeypatch.setattr(nics, "names", lambda *_: [cable.near])
    monkeypatch.setattr(nics, "state", lambda *_: port)
    report = burn_network.run(ctx(tmp_path, iperf=IPERF, network_test_s=1), 7.0)
    outcome, reason = only(report)
    assert outcome is PASSED, reason
    assert HERE in report.evidence[f"iperf3.{toolbench.MAC}"]
