"""Ports whose cable leads to a network without the bench: their link is judged, and nothing is sent by them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.contract import wire
from agent.counters import lowered_severity
from agent.exercises import throughput
from agent.host import shell
from agent.probes.network import addresses, nics
from agent.probes.network.nics import NicState
from agent.stages.burn import burn_network
from agent.stages.network import neighbour
from agent.stages.network import stage as network
from tests.agent_stages.contexts import context

BOOT, STORAGE = "52:54:00:00:00:01", "52:54:00:00:00:02"
CABLED: dict[str, Any] = {"mac": BOOT, "speed_mbit": 1000}
OTHER: dict[str, Any] = {"mac": STORAGE.upper(), "speed_mbit": 10000, "other_network": True}
SERVER = wire.IperfServer("10.0.0.1", [5201], 1000, 2)
PASSED, FAILED, NOT_TESTED = wire.Outcome.PASSED, wire.Outcome.FAILED, wire.Outcome.NOT_TESTED


class SilentWire:
    """A network in which no switch tells its name."""

    def __init__(self, name: str) -> None:
        self.all_heard: list[object] = []

    def __enter__(self) -> SilentWire:
        return self

    def __exit__(self, *error: object) -> None:
        pass


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The MACs whose throughput and loss were measured; each measurement passes."""
    macs: list[str] = []

    def measure(ctx: object, state: NicState, address: str, report: Any, board: object) -> None:
        macs.append(state.mac)
        report.checks.append(wire.Check("throughput", PASSED, "", state.mac))

    def loss(ctx: object, state: NicState, server: str, report: Any, board: object) -> None:
        report.checks.append(wire.Check("loss", PASSED, "", state.mac))

    monkeypatch.setattr(throughput, "measure", measure)
    monkeypatch.setattr(network, "_loss", loss)
    monkeypatch.setattr(network, "Listener", SilentWire)
    monkeypatch.setattr(neighbour, "judge", lambda *_, **__: None)
    return macs


def machine(monkeypatch: pytest.MonkeyPatch, *states: NicState, own: dict[str, str]) -> wire.Inventory:
    by_name = {state.name: state for state in states}
    monkeypatch.setattr(nics, "names", lambda: list(by_name))
    monkeypatch.setattr(nics, "state", by_name.__getitem__)
    monkeypatch.setattr(addresses, "run", lambda: shell.Completed([], 0, "", "", 0.0))
    monkeypatch.setattr(addresses, "parse", lambda text: own)
    return wire.Inventory(nics=[wire.Nic(state.name, state.mac, link=state.link) for state in states])


def port(mac: str, speed_mbit: int | None = 1000) -> NicState:
    return NicState(f"eth{mac[-1]}", mac, "igb", "", speed_mbit is not None, speed_mbit, "full" if speed_mbit else "")


def network_of(tmp_path: Path, inventory: wire.Inventory, *spec: dict[str, Any]) -> Any:
    ctx = context("Network", tmp_path, inventory=inventory, expected={"nics": list(spec)}, iperf=SERVER)
    return network.run(ctx)


def of_storage(report: Any) -> dict[str, wire.Outcome]:
    return {check.name: check.outcome for check in report.checks if check.component == STORAGE}


@pytest.mark.parametrize("address", [{}, {"eth2": "192.168.9.7"}], ids=["no address", "another DHCP server's"])
def test_its_link_is_judged_and_nothing_is_sent_by_it(
    address: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, measured: list[str]
) -> None:
    inventory = machine(monkeypatch, port(BOOT), port(STORAGE, 10000), own={"eth1": "10.0.0.2", **address})
    report = network_of(tmp_path, inventory, CABLED, OTHER)
    assert (report.outcome, measured) == (PASSED, [BOOT])
    assert of_storage(report) == {"link": PASSED, "speed": PASSED}
    assert any("without the bench" in check.reason for check in report.checks if check.component == STORAGE)


@pytest.mark.parametrize("speed_mbit", [None, 1000], ids=["no link", "too slow"])
@pytest.mark.parametrize("spec", [OTHER, {**OTHER, "neighbour": "sw1"}], ids=["by itself", "with a neighbour"])
def test_a_bad_link_fails_it(
    spec: dict[str, Any],
    speed_mbit: int | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    measured: list[str],
) -> None:
    inventory = machine(monkeypatch, port(BOOT), port(STORAGE, speed_mbit), own={"eth1": "10.0.0.2"})
    report = network_of(tmp_path, inventory, CABLED, spec)
    assert report.outcome is FAILED
    assert FAILED in of_storage(report).values()


def test_a_link_is_required_also_without_a_speed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, measured: list[str]
) -> None:
    """The word says that there is a cable, so the port that had no link from the beginning is blamed."""
    inventory = machine(monkeypatch, port(BOOT), port(STORAGE, None), own={"eth1": "10.0.0.2"})
    report = network_of(tmp_path, inventory, CABLED, {"mac": STORAGE, "other_network": True})
    assert (report.outcome, of_storage(report)) == (FAILED, {"link": FAILED})


def test_without_the_word_a_port_without_an_address_is_not_tested_and_the_reason_names_the_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, measured: list[str]
) -> None:
    inventory = machine(monkeypatch, port(BOOT), port(STORAGE, 10000), own={"eth1": "10.0.0.2"})
    report = network_of(tmp_path, inventory, CABLED, {"mac": STORAGE, "speed_mbit": 10000})
    assert report.outcome is NOT_TESTED
    assert "other_network: true" in report.reason


def test_a_host_with_all_its_ports_elsewhere_does_not_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, measured: list[str]
) -> None:
    inventory = machine(monkeypatch, port(STORAGE, 10000), own={})
    report = network_of(tmp_path, inventory, OTHER)
    assert report.outcome is NOT_TESTED
    assert "every network port into a network without the bench" in report.reason


def test_burn_sends_nothing_by_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, port(BOOT), port(STORAGE), own={"eth1": "10.0.0.2", "eth2": "192.168.9.7"})
    ctx = context("Burn", tmp_path, expected={"nics": [CABLED, OTHER]}, iperf=SERVER)
    assert [one.mac for one in burn_network._ports(ctx)[1]] == [BOOT]


@pytest.mark.parametrize("code", ["nic.errors", "nic.link_flap", "nic.module"])
def test_its_errors_are_a_fault_of_the_port(code: str) -> None:
    found = [wire.Finding(code, wire.Severity.CRITICAL, "nic", STORAGE, "as counted")]
    assert lowered_severity.lower_for_ports("Burn", {"nics": [CABLED, OTHER]}, found) == found
