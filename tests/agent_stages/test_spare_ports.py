"""Spare network ports: they must be there, and nothing of their link is required or tested."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.contract import wire
from agent.counters import lowered_severity
from agent.host import shell
from agent.probes.bus import pcilink, usblink
from agent.probes.network import addresses, ethtool, nics
from agent.probes.network.nics import NicState
from agent.stages.burn import burn_network
from agent.stages.inventory_check import links
from agent.stages.inventory_check import stage as inventory_check
from agent.stages.network import stage as network
from tests.agent_stages.contexts import context

CABLED, SPARE = "52:54:00:00:00:01", "52:54:00:00:00:02"
SPEC: dict[str, Any] = {"nics": [{"mac": CABLED, "speed_mbit": 1000}, {"mac": SPARE.upper(), "spare": True}]}
CRITICAL, WARNING, INFO = wire.Severity.CRITICAL, wire.Severity.WARNING, wire.Severity.INFO


def machine(monkeypatch: pytest.MonkeyPatch, *states: NicState) -> wire.Inventory:
    by_name = {state.name: state for state in states}
    monkeypatch.setattr(nics, "names", lambda: list(by_name))
    monkeypatch.setattr(nics, "state", by_name.__getitem__)
    return wire.Inventory(nics=[wire.Nic(state.name, state.mac, link=state.link) for state in states])


def port(mac: str, *, link: bool, on_usb: bool = False) -> NicState:
    return NicState(f"eth{mac[-1]}", mac, "igb", "", link, 100 if link else None, "full" if link else "", on_usb)


def blamed(report: Any) -> set[str]:
    return {one.component for one in [*report.checks, *report.findings] if one.component}


@pytest.mark.parametrize("link", [True, False])
def test_the_network_stage_says_nothing_of_a_spare_port(
    link: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inventory = machine(monkeypatch, port(CABLED, link=False), port(SPARE, link=link))
    report = network.run(context("Network", tmp_path, inventory=inventory, expected=SPEC))
    assert blamed(report) == {CABLED}


def test_a_host_whose_ports_are_all_spare_passes_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inventory = machine(monkeypatch, port(SPARE, link=True))
    report = network.run(context("Network", tmp_path, inventory=inventory, expected={"nics": SPEC["nics"][1:]}))
    assert report.outcome is wire.Outcome.NOT_TESTED
    assert "calls every network port spare" in report.reason


def test_the_speed_of_a_spare_port_is_not_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inventory = machine(monkeypatch, port(CABLED, link=True), port(SPARE, link=True))
    page = (
        "Settings for eth1:\n\tSupported link modes:   100baseT/Full 1000baseT/Full\n"
        "\tLink partner advertised link modes:  100baseT/Full 1000baseT/Full\n\tSpeed: 100Mb/s\n"
    )
    monkeypatch.setattr(ethtool, "run_link", lambda name: shell.Completed([], 0, page, "", 0.0))
    monkeypatch.setattr(pcilink, "lower_ends", lambda root: [])
    monkeypatch.setattr(pcilink, "silent", lambda root: [])
    monkeypatch.setattr(usblink, "slow", lambda root: [])
    assert blamed(links.look(context("InventoryCheck", tmp_path, expected=SPEC), inventory)) == {CABLED}


def test_burn_does_not_load_a_spare_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, port(CABLED, link=True), port(SPARE, link=True))
    monkeypatch.setattr(addresses, "run", lambda: shell.Completed([], 0, "", "", 0.0))
    monkeypatch.setattr(addresses, "parse", lambda text: {"eth1": "10.0.0.2", "eth2": "10.0.0.3"})
    ctx = context("Burn", tmp_path, expected=SPEC, iperf=wire.IperfServer("10.0.0.1", [5201]))
    why, ports = burn_network._ports(ctx)
    assert (why, [one.mac for one in ports]) == ("", [CABLED])


@pytest.mark.parametrize(
    ("code", "severity"),
    [
        ("nic.errors", INFO),
        ("nic.link_flap", WARNING),
        ("nic.module", WARNING),
        ("nic.stopped", CRITICAL),
        ("nic.transmit_timeout", CRITICAL),
        ("pcie.uncorrected", CRITICAL),
        ("system.part_gone", CRITICAL),
    ],
)
def test_a_spare_port_is_blamed_for_its_card_and_not_for_its_link(code: str, severity: wire.Severity) -> None:
    found = [wire.Finding(code, CRITICAL, "nic", mac, "as counted") for mac in (SPARE, CABLED)]
    lowered = lowered_severity.lower_for_ports("Burn", SPEC, found)
    assert [one.severity for one in lowered] == [severity, CRITICAL]


@pytest.mark.parametrize(
    ("expected", "state", "looks"),
    [
        ({}, port(CABLED, link=False), 3),
        ({"nics": []}, port(CABLED, link=False), 3),
        (SPEC, port(CABLED, link=False), 3),
        (SPEC, port(CABLED, link=True), 1),
        (SPEC, port(SPARE, link=False), 1),
        ({}, port(CABLED, link=False, on_usb=True), 1),
    ],
    ids=["no spec", "not in the spec", "expected", "there", "spare", "a BMC's own"],
)
def test_the_inventory_waits_for_every_link_that_may_come(
    expected: dict[str, Any], state: NicState, looks: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Adopting calls a port without a link spare: a link that takes seconds must be waited for, also without a spec."""
    states = [state, state, port(state.mac, link=True)]
    seen: list[NicState] = []
    monkeypatch.setattr(nics, "names", lambda: ["eth1"])
    monkeypatch.setattr(nics, "state", lambda name: seen.append(states[len(seen)]) or seen[-1])
    monkeypatch.setattr(inventory_check, "_LINK_POLL_S", 0.0)
    monkeypatch.setattr(shell, "run", lambda *_: shell.Completed([], 0, "", "", 0.0))
    ctx = context("InventoryCheck", tmp_path, expected=expected, params={"link_wait_s": 60})
    found = inventory_check._settled_links(ctx)
    assert (len(seen), [one.link for one in found]) == (looks, [seen[-1].link])
