"""Optical modules by their own limits: light that is too weak, a laser that ages, one lane of four, and modules that
measure nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from agent.contract import wire
from agent.counters.counting import Counts
from agent.host.shell import Completed
from agent.probes.network import fec, optics
from agent.probes.network.nics import NicState
from agent.reports.partial_report import PartialReport
from agent.stages.network import light, whole_link
from tests.agent.hardware import put
from tests.agent_stages.recordings import recorded

MAC = "52:54:00:00:00:09"
PORT = NicState("eno1", MAC, "ixgbe", "0000:01:00.0", True, 10000, "full")
PASSED, FAILED, NOT_TESTED = wire.Outcome.PASSED, wire.Outcome.FAILED, wire.Outcome.NOT_TESTED


def judged(text: str, *, stderr: str = "", status: int = 0, is_whole: bool = False) -> PartialReport:
    report = PartialReport()
    light.judge(PORT, Completed(["ethtool"], status, stdout=text, stderr=stderr), report, is_whole=is_whole)
    return report


def module(case: str) -> str:
    return recorded("ethtool", f"module-written-by-source-{case}.txt")


@pytest.mark.parametrize("case", ["sfp", "qsfp"])
def test_a_sound_module_passes_with_its_values(case: str) -> None:
    report = judged(module(case))
    assert [(one.name, one.outcome, one.component) for one in report.checks] == [("optics", PASSED, MAC)]
    assert report.findings == []


def test_its_light_is_a_number_of_the_worst_lane() -> None:
    assert judged(module("sfp")).numbers == {f"optics_received_dbm.{MAC}": -3.36, f"optics_sent_dbm.{MAC}": -2.41}
    assert judged(module("qsfp-weak-lane")).numbers[f"optics_received_dbm.{MAC}"] == -15.47
    assert judged(module("sfp")).checks[0].reason == (
        "received light -3.36 dBm, sent light -2.41 dBm, temperature 33.52 °C"
    )


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (
            "sfp-weak-light",
            "eno1: received light -21.49 dBm, below the module's own alarm limit (-20 dBm)",
        ),
        (
            "qsfp-weak-lane",
            "eno1: received light of lane 3 -15.47 dBm, below the module's own alarm limit (-13.31 dBm)",
        ),
    ],
)
def test_light_below_the_alarm_limit_fails_the_port(case: str, message: str) -> None:
    report = judged(module(case))
    (found,) = report.findings
    assert (found.code, found.severity, found.component) == ("nic.optics", wire.Severity.CRITICAL, MAC)
    assert found.message == message
    assert report.checks[0].outcome is FAILED


def test_a_laser_that_ages_is_a_warning() -> None:
    report = judged(module("sfp-old-laser"))
    (found,) = report.findings
    assert found.severity is wire.Severity.WARNING and "laser current 11.12 mA, above" in found.message
    assert report.checks[0].outcome is PASSED


def test_a_value_beyond_a_limit_counts_without_a_flag() -> None:
    text = module("sfp-weak-light").replace("flags implemented           : Yes", "flags implemented           : No")
    assert "alarm              : On" not in (quiet := text.replace(": On", ": Off"))
    assert judged(quiet).checks[0].outcome is FAILED


def test_an_alarm_that_is_over_is_a_warning() -> None:
    text = module("sfp").replace(
        "Laser rx power low alarm                  : Off", "Laser rx power low alarm                  : On"
    )
    (found,) = judged(text).findings
    assert found.severity is wire.Severity.WARNING and found.message.endswith("for a moment")


def test_no_light_at_all_is_below_every_limit() -> None:
    text = module("sfp").replace("0.4613 mW / -3.36 dBm", "0.0000 mW / -inf dBm")
    assert judged(text).numbers[f"optics_received_dbm.{MAC}"] == -40
    assert judged(text).checks[0].outcome is FAILED


def test_no_light_is_a_warning_where_the_link_proves_that_it_needs_none() -> None:
    """A lane of a breakout cable that belongs to another port, or a module with a socket for copper."""
    text = module("sfp").replace("0.4613 mW / -3.36 dBm", "0.0000 mW / -inf dBm")
    (found,) = judged(text, is_whole=True).findings
    assert found.severity is wire.Severity.WARNING
    assert found.message.endswith("the link works at 10000 Mbit/s without an error, so it does not need this light")


@pytest.mark.parametrize("case", ["sfp-weak-light", "qsfp-weak-lane"])
def test_light_that_is_too_weak_fails_the_port_though_its_link_works(case: str) -> None:
    (found,) = judged(module(case), is_whole=True).findings
    assert found.severity is wire.Severity.CRITICAL


DAMAGED = ("nic.rx_crc_errors", "nic", MAC)
CLEAN = {DAMAGED: 3, ("nic.tx_errors", "nic", MAC): 0}


@pytest.mark.parametrize(
    ("state", "full", "after", "is_whole"),
    [
        (PORT, 10000, CLEAN, True),
        (PORT, 25000, CLEAN, False),
        (PORT, None, CLEAN, False),
        (replace(PORT, link=False, speed_mbit=None), 10000, CLEAN, False),
        (replace(PORT, speed_mbit=None), 10000, CLEAN, False),
        (PORT, 10000, CLEAN | {DAMAGED: 4}, False),
        (PORT, 10000, {}, False),
    ],
    ids=["sound", "slow", "full speed unknown", "no link", "speed unknown", "an error", "nothing was counted"],
)
def test_a_link_is_whole_at_full_speed_without_a_new_error(
    state: NicState, full: int | None, after: Counts, is_whole: bool
) -> None:
    before = CLEAN if after else {}
    assert whole_link.is_whole(state, full, before, after) is is_whole


def test_the_errors_of_a_port_are_read(tmp_path: Path) -> None:
    put(tmp_path, "sys/class/net/eno1/statistics/rx_crc_errors", "3")
    assert whole_link.errors("eno1", MAC, tmp_path)[DAMAGED] == 3


def test_limits_that_contradict_each_other_count_for_nothing() -> None:
    """A module without limits has zeros there, and each value is above them."""
    rows = [row for row in module("sfp").splitlines() if "threshold" not in row]
    zeros = [f"\tLaser rx power {limit} threshold : 0.0000 mW / -inf dBm" for limit in ("high alarm", "low alarm")]
    report = judged("\n".join([*rows, *zeros]))
    assert report.findings == []
    assert [one.outcome for one in report.checks] == [PASSED], "its other limits have flags"


def test_a_module_of_which_nothing_can_be_compared_does_not_pass() -> None:
    """It has no flags, and all its limits are zeros."""
    zeros = "0.0000 mW / -inf dBm / 0.000 mA / 0.00 degrees C / 0.0000 V"
    text = re.sub(r"(threshold\s*: ).*", rf"\g<1>{zeros}", module("sfp")).replace(": Yes", ": No")
    text = "\n".join(row for row in text.splitlines() if not row.rstrip().endswith((": On", ": Off")))
    assert [one.outcome for one in judged(text).checks] in ([NOT_TESTED], [])


@pytest.mark.parametrize(
    ("text", "stderr", "status"),
    [
        (module("copper"), "", 0),
        ("", "netlink error: Operation not supported\n", 1),
        ("", "Cannot get module EEPROM information: Invalid argument\n", 1),
        ("Offset\t\tValues\n------\t\t------\n0x0000:\t\t03 04 07 10 00\n", "", 0),
    ],
)
def test_a_port_without_optics_is_not_judged(text: str, stderr: str, status: int) -> None:
    report = judged(text, stderr=stderr, status=status)
    assert report.checks == [] and report.findings == []


@pytest.mark.parametrize(
    ("text", "stderr", "status"),
    [
        ("", "netlink error: Input/output error\n", 1),
        ("\tOptical diagnostics support               : Yes\n", "", 0),
        (module("sfp").replace(": Off", ": Perhaps", 1), "", 0),
        ("\n".join(row for row in module("sfp").splitlines() if "high" not in row and "low" not in row), "", 0),
    ],
)
def test_a_module_that_can_not_be_read_is_not_tested(text: str, stderr: str, status: int) -> None:
    report = judged(text, stderr=stderr, status=status)
    assert [one.outcome for one in report.checks] == [NOT_TESTED] and report.findings == []


def test_every_lane_and_limit_is_read() -> None:
    read = optics.parse(module("qsfp"))
    assert read is not None
    assert len(read.flags) == 3 * 4 * 4 + 2 * 4 and len(read.limits) == 5 * 4
    assert sorted(lane for what, lane in read.values if what == optics.RECEIVED) == [1, 2, 3, 4]


def test_fec_has_its_totals_and_not_those_of_a_lane() -> None:
    assert fec.parse(recorded("ethtool", "fec-written-by-manual.txt")) == fec.Blocks(256, 145)
    assert fec.parse("netlink error: Operation not supported") == fec.Blocks()
    assert fec.parse("Statistics:\n  corrected_blocks: many\n") == fec.Blocks()


def test_what_fec_corrected_during_the_test_is_a_number() -> None:
    page = Completed(["ethtool"], 0, stdout=recorded("ethtool", "fec-written-by-manual.txt"))
    report = PartialReport()
    light.tell_corrected(PORT, 250, page, report)
    assert report.numbers == {f"fec_corrected_blocks.{MAC}": 6.0} and report.findings == []
    untold = PartialReport()
    light.tell_corrected(PORT, None, page, untold)
    light.tell_corrected(PORT, 900, page, untold)  # the card was reset
    assert untold.numbers == {}
