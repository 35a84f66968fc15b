"""The BMC's event log as ipmitool lists it, and whose entries are whose."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.contract import codes, wire
from agent.counters import bmc_log, counting
from agent.counters.component_names import Names
from agent.host.shell import Completed
from agent.probes.bmc import bmc_events, ipmitool, sel
from tests.agent.hardware import Hardware, book_of, put

CRITICAL = wire.Severity.CRITICAL
SEL_INFO = "SEL Information\nVersion : 1.5 (v1.5, v2 compliant)\nEntries : 12\nPercent Used : 40%\nOverflow : false\n"
SEL = """   1 | 11/23/2026 | 19:15:54 | Power Supply PS1 Status | Power Supply AC lost | Asserted
   2 | 11/23/2026 | 19:15:59 | Power Supply PS1 Status | Power Supply AC lost | Deasserted
   3 | 11/23/2026 | 19:16:00 | Power Unit PS Redundancy | Redundancy Lost | Asserted
   4 | 11/23/2026 | 19:16:01 | Fan FAN3 | Lower Critical going low  | Asserted | Reading 0 < Threshold 400 RPM
   5 | 11/23/2026 | 19:16:02 | Memory #0x87 | Correctable ECC | Asserted
   6 | 11/23/2026 | 19:16:03 | Memory #0x87 | Uncorrectable ECC | Asserted
   7 | 11/23/2026 | 19:16:04 | Processor CPU1 Status | IERR | Asserted
   8 | 11/23/2026 | 19:16:05 | Critical Interrupt #0x05 | PCI SERR | Asserted
   9 | 11/23/2026 | 19:16:06 | Voltage P12V | Lower Critical going low  | Asserted | Reading 10.9 < Threshold 11.2 Volts
   a | 11/23/2026 | 19:16:07 | System Event #0xff | Timestamp Clock Sync | Asserted
   b | 11/23/2026 | 19:16:08 | Drive Slot HDD3 | Drive Fault | Asserted
   c | 11/23/2026 | 19:16:09 | Temperature CPU1 Temp | Upper Critical going high | Asserted
   d | 11/23/2026 | 19:16:10 | Power Supply PS2 Status | Predictive failure | Asserted
"""


def test_the_bmcs_event_log_is_counted_by_what_it_means() -> None:
    assert bmc_log.counted(sel.parse(SEL)) == {
        ("bmc.sel", "bmc", "BMC"): 0,
        ("sel.disk.fault_reported", "system", "system"): 1,
        ("sel.psu.failed", "psu", "PS1"): 1,
        ("sel.psu.predicted_failure", "psu", "PS2"): 1,
        ("sel.psu.redundancy_lost", "system", "system"): 1,
        ("sel.fan.stopped", "fan", "FAN3"): 1,
        ("sel.memory.corrected", "system", "system"): 1,
        ("sel.memory.uncorrected", "system", "system"): 1,
        ("sel.cpu.machine_check", "system", "system"): 1,
        ("sel.pcie.uncorrected", "system", "system"): 1,
        ("sel.psu.voltage", "system", "system"): 1,
        ("sel.sensor.temp_high", "system", "system"): 1,
    }


def test_every_event_of_the_bmcs_log_has_a_registered_code() -> None:
    told = [value for value in vars(bmc_events).values() if isinstance(value, bmc_events.Meaning) and value.code]
    assert len(told) > 30 and {one.code for one in told} <= codes.CODES.keys()


def test_an_entry_of_a_kind_that_comes_up_during_a_stage_is_that_stages(tmp_path: Path) -> None:
    hardware, log = Hardware(), bmc_log.EventLog()
    hardware.counts = dict(log.take(sel.parse(SEL.splitlines()[4])))
    book = book_of(hardware, tmp_path)
    book.open_stage()
    assert book.close_stage() == []
    hardware.counts = log.take(sel.parse("\n".join(SEL.splitlines()[i] for i in (0, 4))))
    (found,) = counting.judged(book.close_stage(), {}, 60, log.said)
    assert (found.code, found.component, found.severity) == ("psu.failed", "PS1", CRITICAL)
    assert found.message == (
        "PS1: 1 new entry in the BMC's event log, a power supply reports a failure: "
        '"Power Supply PS1 Status: Power Supply AC lost"'
    )


def test_what_a_log_already_held_that_could_not_be_read_at_first_is_nobodys_error(tmp_path: Path) -> None:
    hardware = Hardware()
    book = book_of(hardware, tmp_path)
    book.open_stage()
    hardware.counts = bmc_log.counted(sel.parse(SEL))
    assert book.close_stage() == []


def test_the_bmcs_log_is_read_again_only_when_it_says_that_it_grew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    info = [SEL_INFO]

    def run(*words: str, timeout_s: float = 0) -> Completed:
        asked.append(words[1])
        return Completed(["ipmitool"], 0, stdout=info[0] if words[1] == "info" else SEL)

    monkeypatch.setattr(ipmitool, "run", run)
    put(tmp_path, "dev/ipmi0", "")
    log = bmc_log.EventLog()
    assert log(Names(tmp_path, None)) == log(Names(tmp_path, None)) != {}
    info[0] = SEL_INFO.replace("12", "13")
    log(Names(tmp_path, None))
    assert asked == ["info", "elist", "info", "info", "elist"]
    info[0] = "Get SEL Info command failed\n"
    assert log(Names(tmp_path, None)) == {}


def test_a_full_log_that_can_say_nothing_is_told(tmp_path: Path) -> None:
    full = SEL_INFO.replace("40%", "100%")
    assert (bmc_log.is_full(SEL_INFO), bmc_log.is_full(full)) == (False, True)
    hardware = Hardware()
    hardware.counts = {bmc_log.FULL: 1}
    book = book_of(hardware, tmp_path)
    book.open_stage()
    assert [one.code for one in counting.judged(book.close_stage(), {}, 60)] == ["bmc.log_full"]
