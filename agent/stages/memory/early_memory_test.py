"""The kernel's early test of memory: whether it ran as the profile orders, and what it found."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agent.contract import wire
from agent.counters.kernel import boot, log
from agent.counters.kernel.kmsg_record import Record
from agent.exercises.memory_under_test import frames_of
from agent.exercises.wrong_memory import miscompared
from agent.loads.wrong_word import WrongWord
from agent.parsing import ParseError
from agent.probes.board import early_memtest, meminfo
from agent.probes.board.dmiaddresses import AddressMap
from agent.probes.board.early_memtest import EarlyTest
from agent.probes.board.frames import FRAME_BYTES, Frames
from agent.reports import checks

CHECK = "early_test"
_GIVEN = re.compile(r"(?:^|\s)memtest=(\d{1,9})(?=\s|$)")


@dataclass(frozen=True)
class Said:
    """What the kernel says of its test: its log, its command line, /proc/meminfo."""

    log: str
    cmdline: str
    meminfo: str


@dataclass(frozen=True)
class Outcome:
    """`check` is None if no test was ordered and none ran. `frames` had all `patterns`; None if that is not known."""

    check: wire.Check | None = None
    findings: list[wire.Finding] = field(default_factory=list)
    frames: Frames | None = None
    patterns: int = 0
    evidence: str = ""


def read(root: Path = Path("/")) -> Said:
    texts = []
    for name in ("proc/cmdline", "proc/meminfo"):
        try:
            texts.append((root / name).read_text(errors="replace"))
        except OSError:
            texts.append("")
    return Said("\n".join(of_start(log.records(str(root / "dev/kmsg")))), *texts)


def of_start(records: Iterable[Record]) -> Iterator[str]:
    """The kernel's own messages before it runs a program. Only these are its test's."""
    return (record.text for record in itertools.takewhile(lambda record: not boot.ends(record), records))


def judge(patterns: int, said: Said, dimms: Sequence[wire.Dimm], addresses: AddressMap) -> Outcome:
    """The check `early_test`, for as many `patterns` as the profile orders."""
    given = _GIVEN.search(said.cmdline)
    if not patterns and not given:
        return Outcome()
    test = early_memtest.parse(said.log)
    evidence = "\n".join(line for line in said.log.splitlines() if not early_memtest.parse(line).is_empty)
    bad_bytes = _bad_bytes(said.meminfo)
    if test.bad or bad_bytes:
        found = _findings(test, bad_bytes or 0, dimms, addresses)
        return Outcome(checks.judged(CHECK, found), found, evidence=evidence)
    wanted = patterns or int(given[1] if given else 0)
    if why := _unproven(wanted, given is not None, test, bad_bytes):
        return Outcome(checks.not_tested(CHECK, reason=why), evidence=evidence)
    size_mb = sum(end - start for start, end in test.rounds[-1].ranges) / meminfo.MIB
    words = f"{len(test.rounds)} patterns over {size_mb:.0f} MiB, before the system lay there"
    return Outcome(checks.passed(CHECK, reason=words), [], _frames(test, addresses), len(test.rounds), evidence)


def _bad_bytes(text: str) -> int | None:
    """None if the kernel does not say."""
    try:
        return meminfo.parse(text).get(early_memtest.MEMINFO)
    except ParseError:
        return None


def _unproven(wanted: int, is_given: bool, test: EarlyTest, bad_bytes: int | None) -> str:
    """Why the test proves nothing; empty if it ran as ordered and the kernel says that nothing was bad."""
    if not is_given:
        return "this boot's kernel was not started with memtest="
    if not test.rounds and bad_bytes is None:
        return "the kernel says nothing of its early test"
    if not test.rounds:
        return "the kernel's log no longer has its early test"
    if len(test.rounds) < wanted:
        return f"{len(test.rounds)} of {wanted} patterns are in the kernel's log"
    if test.ordered is not None and test.ordered < wanted:
        return f"the kernel began a test of {test.ordered} patterns, {wanted} are ordered"
    if test.ordered is None and bad_bytes is None:
        return "the kernel's log no longer has the beginning of its early test"
    return ""


def _findings(test: EarlyTest, bad_bytes: int, dimms: Sequence[wire.Dimm], addresses: AddressMap) -> list[wire.Finding]:
    words = [
        WrongWord((bad.start,), None, None, "", f"up to {bad.end:#x}, pattern {bad.pattern} of the kernel's early test")
        for bad in test.bad
    ]
    lost = f"{bad_bytes // 1024} kB in the kernel's early test, whose log no longer has the addresses"
    return miscompared(max(1, len(words)), words, lost, dimms, addresses)


def _frames(test: EarlyTest, addresses: AddressMap) -> Frames:
    """The page frames that were tested in each round, as whole pages."""
    found: Frames | None = None
    for one in test.rounds:
        these = Frames(frames_of(addresses))
        for start, end in one.ranges:
            first = -(-start // FRAME_BYTES)
            these.add(first, max(0, end // FRAME_BYTES - first))
        found = these if found is None else found.both(these)
    assert found is not None, "a test without a round proves nothing"
    return found
