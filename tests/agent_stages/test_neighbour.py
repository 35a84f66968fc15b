"""LLDP: frames as switches send them, and a card in the wrong port."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from agent.contract import wire
from agent.host import shell
from agent.parsing import ParseError
from agent.probes.network import lldp, nics
from agent.probes.network.lldp import Listener, Neighbour
from agent.probes.network.nics import NicState
from agent.reports.partial_report import PartialReport
from agent.stages.inventory_check import stage as inventory_check
from agent.stages.network import neighbour
from tests.agent_stages.contexts import context

STATE = NicState("eth0", "52:54:00:00:00:01", "igb", "", True, 1000, "full")


def value(kind: int, text: bytes) -> bytes:
    return ((kind << 9) | len(text)).to_bytes(2, "big") + text


def frame(*values: bytes) -> bytes:
    return bytes.fromhex("0180c200000e 0200000000aa 88cc") + b"".join(values) + b"\x00\x00"


CHASSIS = value(1, b"\x04" + bytes.fromhex("00112233aabb"))
PORT, TIME, WORDS, NAME = value(2, b"\x05Gi1/0/3"), value(3, b"\x00\x78"), value(4, b"rack 2"), value(5, b"sw1.lan")


def test_a_switch_is_its_name_and_its_port() -> None:
    heard = lldp.parse(frame(CHASSIS, PORT, TIME, WORDS, NAME))
    assert heard == Neighbour("sw1.lan", "Gi1/0/3", "rack 2")
    assert str(heard) == "sw1.lan Gi1/0/3 (rack 2)"


def test_a_switch_without_a_name_is_its_chassis() -> None:
    port = value(2, b"\x03" + bytes.fromhex("00112233aabc"))
    assert lldp.parse(frame(CHASSIS, port, TIME)) == Neighbour("00:11:22:33:aa:bb", "00:11:22:33:aa:bc")


@pytest.mark.parametrize(
    ("chassis", "port", "heard"),
    [
        (b"\x05\x01\xc0\x00\x02\x07", b"\x07g12", Neighbour("192.0.2.7", "g12")),
        (b"\x05\x02" + bytes(15) + b"\x01", b"\x04\x01\xc0\x00\x02\x08", Neighbour("::1", "192.0.2.8")),
        (b"\x07rack7-top", b"\x01uplink", Neighbour("rack7-top", "uplink")),
    ],
)
def test_a_switch_that_names_itself_by_an_address_is_that_address(
    chassis: bytes, port: bytes, heard: Neighbour
) -> None:
    assert lldp.parse(frame(value(1, chassis), value(2, port), TIME)) == heard


@pytest.mark.parametrize("cut", [0, 10, 14, 16, 20, 25, 30])
def test_a_frame_that_is_cut_short_is_a_parse_error(cut: int) -> None:
    with pytest.raises(ParseError):
        lldp.parse(frame(CHASSIS, PORT, TIME)[:cut])


def test_a_switch_that_takes_its_announcement_back_is_not_heard() -> None:
    with pytest.raises(ParseError):
        lldp.parse(frame(CHASSIS, PORT, value(3, b"\x00\x00")))


class Heard:
    """A listener that heard this."""

    trouble = ""

    def __init__(self, heard: Neighbour | None) -> None:
        self.neighbour, self.waited_s = heard, 0.0
        self.all_heard = [heard] if heard else []

    def heard(self, wait_s: float = 0.0, fits: object = None) -> Neighbour | None:
        self.waited_s = wait_s
        return self.neighbour


SW1 = Neighbour("sw1", "Gi1/0/3")


@pytest.mark.parametrize(
    ("heard", "expected", "outcome", "waited_s"),
    [
        (SW1, "", wire.Outcome.PASSED, 0),
        (SW1, "SW1 gi1/0/3", wire.Outcome.PASSED, 40),
        (SW1, "sw1", wire.Outcome.PASSED, 40),
        (SW1, "sw1 Gi1/0/4", wire.Outcome.FAILED, 40),
        (SW1, "sw1.lan Gi1/0/3", wire.Outcome.PASSED, 40),
        (Neighbour("sw1.lan", "Gi1/0/3"), "sw1 Gi1/0/3", wire.Outcome.PASSED, 40),
        (Neighbour("sw1.lan", "Gi1/0/3"), "sw1.dmz Gi1/0/3", wire.Outcome.FAILED, 40),
        (Neighbour("sw1.lan", "Gi1/0/3"), "sw1 Gi1/0/4", wire.Outcome.FAILED, 40),
        (Neighbour("192.0.2.7", "3"), "192 3", wire.Outcome.FAILED, 40),
        (Neighbour("Core switch", "3"), "core switch 3", wire.Outcome.PASSED, 40),
        (Neighbour("sw1", "513", "ge-0/0/1"), "sw1 ge-0/0/1", wire.Outcome.PASSED, 40),
        (None, "sw1 Gi1/0/4", wire.Outcome.NOT_TESTED, 40),
        (None, "", wire.Outcome.NOT_TESTED, 0),
    ],
)
def test_a_card_in_another_port_than_expected_fails(
    heard: Neighbour | None, expected: str, outcome: wire.Outcome, waited_s: float
) -> None:
    report, listener = PartialReport(), Heard(heard)
    neighbour.judge(STATE, listener, expected, 40, report)
    assert (report.checks[0].outcome, listener.waited_s) == (outcome, waited_s)
    assert [one.code for one in report.findings] == (["network.other_port"] if outcome is wire.Outcome.FAILED else [])


def test_silence_at_a_card_without_a_named_port_says_nothing_where_another_card_has_one() -> None:
    report = PartialReport()
    neighbour.judge(STATE, Heard(None), "", 40, report, is_asked=False)
    assert report.checks == []
    neighbour.judge(STATE, Heard(SW1), "", 40, report, is_asked=False)
    assert [check.outcome for check in report.checks] == [wire.Outcome.PASSED]


@pytest.mark.parametrize(
    ("driver", "words"), [("i40e", "firmware setup"), ("ice", "eth0 fw-lldp-agent off"), ("igb", "(LLDP)")]
)
def test_silence_at_a_card_whose_firmware_keeps_the_frames_does_not_blame_the_switch_alone(
    driver: str, words: str
) -> None:
    report = PartialReport()
    neighbour.judge(replace(STATE, driver=driver), Heard(None), "sw1", 40, report)
    assert report.checks[0].outcome is wire.Outcome.NOT_TESTED and words in report.checks[0].reason
    assert ("firmware keeps it" in report.checks[0].reason) is (driver != "igb")


@pytest.mark.parametrize(
    ("driver", "spec", "asked"),
    [
        ("i40e", {"neighbour": "sw1"}, [["ethtool", "--set-priv-flags", "eth0", "disable-fw-lldp", "on"]]),
        ("i40e", {"speed_mbit": 10000}, []),
        ("ice", {"neighbour": "sw1"}, []),
        ("igb", {"neighbour": "sw1"}, []),
    ],
)
def test_the_inventory_has_the_frames_handed_over_where_that_is_forgotten_again(
    driver: str, spec: dict[str, object], asked: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr(nics, "names", lambda: ["eth0"])
    monkeypatch.setattr(nics, "state", lambda _: replace(STATE, driver=driver))
    monkeypatch.setattr(shell, "run", lambda argv, _: ran.append(argv) or shell.Completed(argv, 1, "", "refused", 0.0))
    nic = {"mac": STATE.mac.upper(), **spec}
    inventory_check._settled_links(context("InventoryCheck", tmp_path, expected={"nics": [nic]}))
    assert ran == [["ip", "link", "set", "eth0", "up"], *asked]


@pytest.mark.skipif(os.geteuid() != 0, reason="a raw socket needs root")
def test_it_hears_what_comes_by_the_wire() -> None:
    with Listener("lo") as listener, socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as switch:
        switch.bind(("lo", 0))
        switch.send(b"\xff" * 12 + bytes.fromhex("88cc") + b"rubbish")
        switch.send(frame(CHASSIS, PORT, TIME, NAME))
        assert listener.trouble == ""
        assert listener.heard(5.0) == Neighbour("sw1.lan", "Gi1/0/3")


@pytest.mark.skipif(os.geteuid() != 0, reason="a raw socket needs root")
def test_of_several_neighbours_the_expected_one_counts() -> None:
    """A simple switch in between, or a hub, brings the frames of everybody on it."""
    others = [frame(CHASSIS, PORT, TIME, value(5, name)) for name in (b"sw1", b"pve7", b"pve7")]
    with Listener("lo") as listener, socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire_:
        wire_.bind(("lo", 0))
        for one in others:
            wire_.send(one)
        assert listener.heard(5.0, lambda one: one.system == "sw1") == Neighbour("sw1", "Gi1/0/3")
        assert listener.heard(0.0, lambda one: one.system == "sw2") == Neighbour("pve7", "Gi1/0/3")
        assert [one.system for one in listener.all_heard] == ["sw1", "pve7"]


def test_a_card_that_is_not_there_is_heard_nothing_of() -> None:
    with Listener("vetting-no-card") as listener:
        assert listener.trouble
        assert listener.heard(0.0) is None
