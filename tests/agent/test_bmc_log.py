"""The BMC's event log as ipmitool lists it, and whose entries are whose."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.contract import codes, wire
from agent.counters import bmc_log, counter_checks, counting
from agent.counters.component_names import Names
from agent.host import shell
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
        ("bmc.unclear", "bmc", "BMC"): 0,
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


class Bmc:
    """A BMC whose log a test writes. `lists` are its next answers to `sel elist`; the last one stays."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, root: Path, info: str, *lists: str) -> None:
        self.info, self.lists, self.listed = info, list(lists), 0
        monkeypatch.setattr(shell, "run", self.run)
        put(root, "dev/ipmi0", "")

    def run(self, argv: list[str], timeout_s: float) -> Completed:
        if argv[2] == "info":
            return Completed(argv, 0, stdout=self.info)
        self.listed += 1
        text = self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
        said = [line for line in text.splitlines(keepends=True) if line.startswith("Get SEL")]
        return Completed(argv, 0, stdout=text.removesuffix("".join(said)), stderr="".join(said))


OLD, NEWER = "".join(SEL.splitlines(keepends=True)[:12]), SEL
FAILED_TWICE = "Get SEL Entry 2 command failed: Requested sensor, data, or record not found\n" * 2


def risen(book: counting.CounterBook) -> dict[str, int]:
    return {delta.counter: delta.after - delta.before for delta in book.close_stage()}


@pytest.mark.parametrize(
    "broken", [SEL.splitlines(keepends=True)[0] + FAILED_TWICE, FAILED_TWICE], ids=["after an entry", "at once"]
)
@pytest.mark.parametrize("is_first", [True, False])
def test_a_list_that_broke_off_makes_no_old_entry_new(
    is_first: bool, broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bmc = Bmc(monkeypatch, tmp_path, SEL_INFO, broken if is_first else OLD, OLD)
    log = bmc_log.EventLog()
    book = counting.CounterBook([lambda: log(Names(tmp_path, None))], tmp_path / "counters.json")
    book.open_stage()
    assert risen(book) == {}
    bmc.info, bmc.lists = SEL_INFO.replace("12", "13"), [broken, NEWER]
    assert risen(book) == {}
    assert "bmc.sel" in book.lost
    assert risen(book) == {"sel.psu.predicted_failure": 1}


@pytest.mark.parametrize("is_first", [True, False])
def test_a_list_that_ends_early_in_silence_is_asked_for_again(
    is_first: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = SEL.splitlines(keepends=True)[0]
    bmc = Bmc(monkeypatch, tmp_path, SEL_INFO, *([short, OLD] if is_first else [OLD]))
    log = bmc_log.EventLog()
    book = counting.CounterBook([lambda: log(Names(tmp_path, None))], tmp_path / "counters.json")
    book.open_stage()
    bmc.info, bmc.lists = SEL_INFO.replace("12", "13"), [short, NEWER]
    assert risen(book) == {"sel.psu.predicted_failure": 1}
    assert bmc.listed == (4 if is_first else 3)


def test_a_bmc_that_counts_more_than_it_lists_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Bmc(monkeypatch, tmp_path, SEL_INFO.replace("12", "129"), SEL)
    assert bmc_log.EventLog()(Names(tmp_path, None))["sel.psu.failed", "psu", "PS1"] == 1


@pytest.mark.parametrize(
    "info", [SEL_INFO.replace("40%", "100%"), SEL_INFO.replace("false", "true")], ids=["full", "overflow"]
)
def test_a_full_log_that_overwrites_its_oldest_entry_is_read_each_time(
    info: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = Bmc(monkeypatch, tmp_path, info, OLD)
    log = bmc_log.EventLog()
    log(Names(tmp_path, None))
    ring.lists = ["".join(SEL.splitlines(keepends=True)[1:])]
    assert log(Names(tmp_path, None))["sel.psu.predicted_failure", "psu", "PS2"] == 1


def test_a_full_log_that_can_say_nothing_is_told(tmp_path: Path) -> None:
    full = SEL_INFO.replace("40%", "100%")
    assert (bmc_log.is_full(SEL_INFO), bmc_log.is_full(full)) == (False, True)
    hardware = Hardware()
    hardware.counts = {bmc_log.FULL: 1}
    book = book_of(hardware, tmp_path)
    book.open_stage()
    assert [one.code for one in counting.judged(book.close_stage(), {}, 60)] == ["bmc.log_full"]


@pytest.mark.parametrize(
    ("entry", "outcome", "codes"),
    [
        ("Unknown #0xff |  | Asserted", wire.Outcome.NOT_TESTED, {"bmc.event"}),
        ("Unknown #0xff |  | Deasserted", wire.Outcome.NOT_TESTED, {"bmc.event"}),
        ("Memory | State Asserted | Asserted", wire.Outcome.NOT_TESTED, {"bmc.event", "memory.fault_reported"}),
        ("Microcontroller ME Status | Monitor | Asserted", wire.Outcome.PASSED, {"bmc.event"}),
        ("Power Supply PS1 Status | Presence detected | Asserted", wire.Outcome.PASSED, set()),
        ("Power Supply PS1 Status | Power Supply AC lost | Asserted", wire.Outcome.FAILED, {"psu.failed"}),
    ],
)
def test_an_entry_that_nobody_understands_does_not_pass_a_stage(
    entry: str, outcome: wire.Outcome, codes: set[str], tmp_path: Path
) -> None:
    hardware, log = Hardware(), bmc_log.EventLog()
    hardware.counts = dict(log.take([]))
    book = book_of(hardware, tmp_path)
    book.open_stage()
    hardware.counts = dict(log.take(sel.parse(f"   1 | 11/23/2026 | 19:15:54 | {entry}")))
    found = counting.merged(counting.judged(book.close_stage(), {}, 60, log.said))
    (check,) = (one for one in counter_checks.made(found, book, True, ()) if one.name == "counters.bmc")
    assert (check.outcome, {one.code for one in found}) == (outcome, codes)
    book.close_stage()
    (check,) = (one for one in counter_checks.made([], book, True, ()) if one.name == "counters.bmc")
    assert check.outcome is wire.Outcome.PASSED
