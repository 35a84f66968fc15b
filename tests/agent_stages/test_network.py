"""Network's judgement of one card, on tests whose outcome is given."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from agent.contract import wire
from agent.exercises import throughput
from agent.loads import iperf3
from agent.loads.iperf3 import Direction, Throughput
from agent.probes.network import nics
from agent.probes.network.nics import NicState, Traffic
from agent.reports.partial_report import PartialReport
from agent.reports.progress import ProgressBoard
from agent.stages.network import stage as network
from tests.agent_stages.contexts import context
from tests.agent_stages.recordings import recorded

PASSED, FAILED, NOT_TESTED = wire.Outcome.PASSED, wire.Outcome.FAILED, wire.Outcome.NOT_TESTED
MAC = "52:54:00:00:00:09"
# Prints the next of the files that are named for its direction, and the last one for ever.
IPERF3 = """#!/bin/sh
case "$*" in *-R*) way=in;; *--bidir*) way=both;; *) way=out;; esac
echo "$way" >> "$ANSWERS/asked"
n=$(grep -c "^$way$" "$ANSWERS/asked")
while [ ! -e "$ANSWERS/$way.$n" ]; do n=$((n - 1)); done
exec cat "$ANSWERS/$way.$n"
"""


def sums(suffix: str, mbit: float, retransmits: int = 0) -> dict[str, object]:
    row = {"bits_per_second": mbit * 1e6, "bytes": mbit * 1e6 / 8, "retransmits": retransmits}
    return {f"sum_sent{suffix}": row, f"sum_received{suffix}": row}


class Bench:
    """An iperf3 that answers what a test wants, in order, per direction."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        for way in ("out", "in", "both"):
            self.answers(way, 940)

    def answers(self, way: str, *mbits: float, local: float = 20, remote: float = 20, retransmits: int = 0) -> None:
        for number, mbit in enumerate(mbits, 1):
            end: dict[str, object] = {"streams": [{}], **sums("", mbit, retransmits)}
            end |= sums("_bidir_reverse", mbit) if way == "both" else {}
            end["cpu_utilization_percent"] = {"host_total": local, "remote_total": remote}
            text = json.dumps({"start": {"tcp_mss_default": 1448}, "end": end})
            (self.directory / f"{way}.{number}").write_text(text)

    def asked(self) -> list[str]:
        return (self.directory / "asked").read_text().split()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    tool = tmp_path / "bin/iperf3"
    tool.parent.mkdir()
    tool.write_text(IPERF3)
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("ANSWERS", str(tmp_path))
    return Bench(tmp_path)


SERVER = wire.IperfServer("10.0.0.1", [5201], 1000, 2)


def measured(tmp_path: Path, speed_mbit: int | None = 1000, iperf: wire.IperfServer = SERVER) -> PartialReport:
    report = PartialReport()
    ctx = context("Network", tmp_path, params={"throughput_duration_s": 1, "busy_wait_s": 0}, iperf=iperf)
    state = NicState("vetting-no-such-card", MAC, "igb", "", True, speed_mbit, "full")
    throughput.measure(ctx, state, "10.0.0.2", report, ProgressBoard(ctx))
    return report


def outcomes(report: PartialReport) -> dict[str, wire.Outcome]:
    return {check.name: check.outcome for check in report.checks}


def test_a_link_that_carries_what_it_should_each_way_and_both_passes(tmp_path: Path, bench: Bench) -> None:
    report = measured(tmp_path)
    assert outcomes(report) == {"throughput": PASSED, "both_ways": PASSED}
    assert bench.asked() == ["out", "in", "both"]
    assert report.numbers[f"tcp_both_in_mbit.{MAC}"] == 940


@pytest.mark.parametrize(("retransmits", "codes"), [(0, []), (8_000, ["network.retransmits"])])
def test_segments_that_were_sent_again_are_a_warning(
    retransmits: int, codes: list[str], tmp_path: Path, bench: Bench
) -> None:
    bench.answers("out", 940, retransmits=retransmits)
    report = measured(tmp_path)
    assert [(finding.code, finding.component) for finding in report.findings] == [(code, MAC) for code in codes]
    assert all(finding.severity is wire.Severity.WARNING for finding in report.findings)


@pytest.mark.parametrize(("duplex", "outcome"), [("full", PASSED), ("half", FAILED)])
def test_a_link_with_half_duplex_is_blamed(duplex: str, outcome: wire.Outcome) -> None:
    report = PartialReport()
    network._speed(NicState("eno1", MAC, "igb", "", True, 1000, duplex), 1000, report)
    assert [check.outcome for check in report.checks] == [outcome]
    assert [(one.code, one.component) for one in report.findings] == [("network.half_duplex", MAC)] * (duplex == "half")


def test_one_slow_direction_is_blamed_on_the_card_after_a_second_try(tmp_path: Path, bench: Bench) -> None:
    bench.answers("in", 90, 95)
    report = measured(tmp_path)
    assert outcomes(report) == {"throughput": FAILED, "both_ways": PASSED}
    assert bench.asked() == ["out", "in", "in", "both"]
    assert [(one.code, one.component, one.value, one.limit) for one in report.findings] == [
        ("network.slow", MAC, 95.0, 850.0)
    ]


def test_a_link_that_was_slow_once_is_not_blamed(tmp_path: Path, bench: Bench) -> None:
    bench.answers("out", 300, 940)
    report = measured(tmp_path)
    assert (outcomes(report)["throughput"], report.findings) == (PASSED, [])


@pytest.mark.parametrize(
    ("mbit", "words"),
    [
        (80, "80 Mbit/s out with both directions at once, floor 100 Mbit/s"),
        (300, "600 Mbit/s in both directions together, floor 850 Mbit/s"),
    ],
)
def test_a_link_that_breaks_down_with_both_directions_at_once_is_blamed(
    tmp_path: Path, bench: Bench, mbit: float, words: str
) -> None:
    bench.answers("both", mbit)
    report = measured(tmp_path)
    assert outcomes(report) == {"throughput": PASSED, "both_ways": FAILED}
    assert words in report.findings[0].message


def test_directions_that_share_the_link_unevenly_are_no_fault(tmp_path: Path, bench: Bench) -> None:
    bench.answers("both", 430)
    assert outcomes(measured(tmp_path))["both_ways"] is PASSED


def test_a_processor_at_its_end_is_the_limit_of_both_ways_too(tmp_path: Path, bench: Bench) -> None:
    bench.answers("both", 300, remote=190)
    report = measured(tmp_path)
    assert (outcomes(report)["both_ways"], report.findings) == (NOT_TESTED, [])


@pytest.mark.parametrize(("cpu", "cause"), [({"remote": 190}, wire.Cause.BENCH), ({"local": 400}, None)])
def test_a_processor_at_its_end_is_the_limit_and_not_the_link(
    tmp_path: Path, bench: Bench, cpu: dict[str, float], cause: wire.Cause | None
) -> None:
    bench.answers("out", 500, **cpu)
    report = measured(tmp_path)
    assert outcomes(report)["throughput"] is NOT_TESTED
    assert "processor was the limit" in report.checks[0].reason
    assert report.checks[0].cause is cause
    assert report.findings == []


def test_a_faster_card_is_held_against_what_the_server_can(tmp_path: Path, bench: Bench) -> None:
    assert outcomes(measured(tmp_path, speed_mbit=25_000))["throughput"] is PASSED


def test_without_any_known_speed_no_throughput_passes(tmp_path: Path, bench: Bench) -> None:
    report = measured(tmp_path, speed_mbit=None, iperf=replace(SERVER, server_link_mbit=0))
    assert outcomes(report) == {"throughput": NOT_TESTED, "both_ways": NOT_TESTED}


def test_a_server_that_refuses_blames_nobody(tmp_path: Path, bench: Bench) -> None:
    (bench.directory / "out.1").write_text(recorded("iperf3", "refused.json"))
    report = measured(tmp_path)
    assert outcomes(report)["throughput"] is NOT_TESTED and report.findings == []


THROUGHPUT = Throughput(1e9, 1_000_000, 1_000_000, 0, 1448, 10, 10)


@pytest.mark.parametrize(
    ("sent", "received", "goes_by"), [(1_050_000, 1_050_000, True), (1_050_000, 100, False), (100, 1_050_000, False)]
)
def test_what_went_by_another_card_says_nothing_about_this_one(sent: int, received: int, goes_by: bool) -> None:
    both = {Direction.OUT: THROUGHPUT, Direction.IN: THROUGHPUT}
    why = throughput.went_elsewhere(both, Traffic(500, 500), Traffic(500 + sent, 500 + received))
    assert (why == "") is goes_by


def counts(monkeypatch: pytest.MonkeyPatch, shares: tuple[float, ...]) -> list[Traffic]:
    """The card's counters at each reading, as shares of what a test of 940 Mbit/s moves. Returns those to come."""
    left = [Traffic(*[round(share * 940e6 / 8)] * 2) for share in shares]
    monkeypatch.setattr(nics, "traffic", lambda _: left.pop(0))
    monkeypatch.setattr(throughput, "_COUNTED_LATE_S", 0.0)
    return left


@pytest.mark.parametrize(
    ("shares", "outcome"),
    [
        ((0.0, 1.05, 1.05, 2.1, 2.1, 3.15), PASSED),
        ((0.0, 0.85, 1.05, 1.05, 1.9, 2.1, 2.1, 2.9, 3.15), PASSED),
        ((0.0, 0.01, 0.02, 0.02, 0.03, 0.04, 0.04, 0.05, 0.06), NOT_TESTED),
    ],
    ids=["counts at once", "counts late", "another card"],
)
def test_a_card_that_counts_late_is_read_twice(
    shares: tuple[float, ...], outcome: wire.Outcome, tmp_path: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = counts(monkeypatch, shares)
    report = measured(tmp_path)
    assert outcomes(report) == {"throughput": outcome, "both_ways": outcome}
    assert left == []


def test_both_directions_of_one_test_are_told_apart() -> None:
    out, back = iperf3.parse_both(recorded("iperf3", "both-ways.json"))
    assert (round(out.bits_s / 1e8), round(back.bits_s / 1e8)) == (35, 53)
    assert (out.retransmits, back.retransmits) == (20, 5)
    assert round(out.remote_cpu_percent) == 24


def test_what_a_bmc_has_on_usb_is_no_port_to_test_unless_somebody_wrote_its_speed() -> None:
    usb, card = "be:3a:f2:b6:05:9f", "52:54:00:00:00:01"
    cards = {
        usb: NicState("usb0", usb, "cdc_ether", "", True, None, "", on_usb=True),
        card: NicState("eno1", card, "igb", "0000:01:00.0", True, 1000, "full"),
    }
    assert [one.mac for one in network._wanted({}, cards)] == [card]
    assert [one.mac for one in network._wanted({"nics": [{"mac": usb}, {"mac": card}]}, cards)] == [card]
    assert [one.mac for one in network._wanted({"nics": [{"mac": usb, "speed_mbit": 100}]}, cards)] == [usb]
