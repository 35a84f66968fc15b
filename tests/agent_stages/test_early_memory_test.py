"""The kernel's early test of memory: what its log, its command line and /proc/meminfo prove."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.contract import wire
from agent.counters.kernel.kmsg_record import Record
from agent.probes.board import early_memtest
from agent.probes.board.dmiaddresses import AddressMap, Span
from agent.probes.board.early_memtest import Bad
from agent.stages.memory import early_memory_test
from agent.stages.memory.early_memory_test import Outcome, Said

MIB = 1 << 20
PATTERNS = ("5555555555555555", "ffffffffffffffff", "0000000000000000")
BAD = "  5555555555555555 bad mem addr 0x0000000000900000 - 0x0000000000900008 reserved"
CMDLINE, MEMINFO = "console=tty0 memtest=3 vetting.run=1\n", "MemTotal: 16384 kB\nMemAvailable: 8192 kB\n"
NONE_BAD, SOME_BAD = f"{MEMINFO}EarlyMemtestBad:       0 kB\n", f"{MEMINFO}EarlyMemtestBad:       1 kB\n"
DIMMS = [wire.Dimm("DIMM_A1", 8), wire.Dimm("DIMM_B1", 8)]
ADDRESSES = AddressMap(
    (Span(0, 8 * MIB, ("DIMM_A1",)), Span(8 * MIB, 16 * MIB, ("DIMM_B1",))), ram=((0, 16 * MIB),)
)  # fmt: skip


def log(*patterns: str, first: str = "early_memtest: # of tests: 3", bad: str = "") -> str:
    """What the kernel logs, between other lines. It tests what is free: here not 2 MiB for the kernel itself."""
    ranges = ("  0x0000000000001800 - 0x0000000000200000", "  0x0000000000400000 - 0x0000000001000000")
    lines = [line for pattern in patterns for line in (*(f"{one} pattern {pattern}" for one in ranges), bad) if line]
    tested = "".join(f"{line}\n" for line in lines)
    return f"Linux version 6.12\n{first}\n{tested}Zone ranges:\n"


def judged(
    text: str = log(*PATTERNS), *, cmdline: str = CMDLINE, meminfo: str = NONE_BAD, patterns: int = 3
) -> Outcome:
    return early_memory_test.judge(patterns, Said(text, cmdline, meminfo), DIMMS, ADDRESSES)


def test_a_test_with_all_patterns_and_nothing_bad_passes_and_its_whole_pages_were_under_test() -> None:
    outcome = judged()
    assert outcome.check is not None
    assert outcome.check.outcome is wire.Outcome.PASSED
    assert outcome.check.reason == "3 patterns over 14 MiB, before the system lay there"
    assert outcome.frames is not None
    assert (outcome.frames.count(0, 2), outcome.frames.count(2, 512), outcome.frames.count(512, 4096)) == (0, 510, 3072)
    assert "pattern ffffffffffffffff" in outcome.evidence
    assert "Zone ranges" not in outcome.evidence


def test_a_page_that_was_left_out_of_one_round_was_not_tested_with_all_patterns() -> None:
    less = "  0x0000000000001000 - 0x0000000000100000 pattern 1111111111111111"
    outcome = judged(log(*PATTERNS).replace("Zone ranges", f"{less}\nZone ranges"))
    assert outcome.frames is not None
    assert outcome.frames.count(0, 4096) == 254


def test_bad_ranges_blame_their_module_whatever_was_ordered() -> None:
    text = log(*PATTERNS, bad=BAD)
    assert early_memtest.parse(text).bad[0] == Bad(9 * MIB, 9 * MIB + 8, "5555555555555555")
    for outcome in (judged(text, meminfo=SOME_BAD), judged(text, patterns=0), judged(text, meminfo="")):
        assert outcome.check is not None
        assert outcome.check.outcome is wire.Outcome.FAILED
        (found,) = outcome.findings
        assert (found.code, found.component, found.value) == ("memory.miscompare", "DIMM_B1", 3.0)
        assert "at 0x900000 (up to 0x900008, pattern 5555555555555555 of the kernel's early test)" in found.message
        assert outcome.frames is None


def test_bad_memory_whose_addresses_were_overwritten_in_the_log_fails_and_blames_no_module() -> None:
    outcome = judged("", meminfo=SOME_BAD)
    assert outcome.check is not None
    assert outcome.check.outcome is wire.Outcome.FAILED
    assert [one.component for one in outcome.findings] == ["system"]
    assert "1 kB" in outcome.findings[0].message


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"cmdline": "console=tty0 xmemtest=3 memtest=\n"}, "not started with memtest="),
        ({"text": "Linux version 6.12\n", "meminfo": MEMINFO}, "says nothing"),
        ({"text": "", "meminfo": ""}, "says nothing"),
        ({"text": "Linux version 6.12\n"}, "no longer has"),
        ({"text": log(*PATTERNS[:2])}, "2 of 3 patterns"),
        ({"patterns": 4}, "3 of 4 patterns"),
        ({"text": log(*PATTERNS, first="early_memtest: # of tests: 2")}, "a test of 2 patterns, 3 are ordered"),
        ({"text": log(*PATTERNS, first="Linux version 6.1"), "meminfo": ""}, "no longer has the beginning"),
    ],
)
def test_a_test_that_was_ordered_and_not_read_is_not_tested(given: dict[str, object], why: str) -> None:
    outcome = judged(**given)
    assert outcome.check is not None
    assert outcome.check.outcome is wire.Outcome.NOT_TESTED
    assert why in outcome.check.reason
    assert (outcome.findings, outcome.frames) == ([], None)


def test_without_an_order_and_without_a_test_there_is_no_check() -> None:
    assert judged("", cmdline="quiet\n", meminfo=MEMINFO, patterns=0) == Outcome()


def test_only_the_kernels_own_lines_of_its_start_are_read(tmp_path: Path) -> None:
    """A program can write lines into the log. A regular file gives one record for each read, as /dev/kmsg does."""
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/kmsg").write_text("6,1,0,-;early_memtest: # of tests: 3\n")
    assert early_memory_test.read(tmp_path) == Said("early_memtest: # of tests: 3", "", "")
    (tmp_path / "dev/kmsg").write_text(f"14,1,0,-;{BAD}\n")
    assert early_memory_test.read(tmp_path).log == ""


def test_a_test_of_many_minutes_is_read_to_its_end_and_nothing_after_the_start() -> None:
    """The kernel's clock may run while it tests: here for 40 minutes."""
    lines = log(*PATTERNS).splitlines()
    records = [Record(seq, seq * 300_000_000, 6, line) for seq, line in enumerate(lines)]
    later = [Record(98, records[-1].time_us, 6, "Run /init as init process"), Record(99, records[-1].time_us, 6, BAD)]
    for ends in ([], later):
        outcome = judged("\n".join(early_memory_test.of_start([*records, *ends])))
        assert outcome.check is not None
        assert outcome.check.outcome is wire.Outcome.PASSED
