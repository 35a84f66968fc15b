"""stressapptest: every core copies, checks and inverts patterns in memory (1.0.11). The format of its errors is in
src/worker.cc."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from agent.host import shell
from agent.host.stop import StopFlag
from agent.loads.wrong_word import WrongWord
from agent.parsing import ParseError

_STATUS = re.compile(r"Status: (PASS|FAIL)")
_COMPLETED = re.compile(
    r"Stats: Completed: (\d{1,18}(?:\.\d{1,9})?)M in ([\d.]+)s (\d{1,18}(?:\.\d{1,9})?)MB/s, "
    r"with (\d{1,18}) hardware incidents, (\d{1,18}) errors"
)
# More than 128 wrong words in a page are a page error; if they hold another pattern, a block error.
_INCIDENT = re.compile(r"(?:Hardware Error: |(?:Page|Block) Error: (?=miscompare))(.*)")
_WORD = re.compile(
    r"miscompare on (?P<who>CPU \d{1,6}).{0,80}? at 0x(?P<virtual>[0-9a-f]{1,16})\(0x(?P<address>[0-9a-f]{1,16}):"
    r".{0,80}?\): ?read:0x(?P<found>[0-9a-f]{1,16}), reread:0x(?P<again>[0-9a-f]{1,16}) "
    r"expected:0x(?P<expected>[0-9a-f]{1,16})"
)
# src/pattern.cc: 34 patterns that have a weight, and their inverses. Each MiB gets one of them at random.
PATTERNS = 68
# If the checksum of 4 KiB was wrong and no word of them is, it reports the first word with this.
_NO_WORD = 0xBAD00000 << 32
# The kernel translates an address for root alone. For others it hides the page, and what is left is the place in it.
# Version 1.0.9 (Debian 12) reads the kernel's answer wrongly; then the place in the page is another one, too.
_PAGE_BYTES = 4096
_DIMM = re.compile(r"DIMM (?!Unknown)(\S+)")
# Filling memory and the last check of it come before and after the given time: 1 TiB at 5 GB/s takes 200 s each.
_FILL_MB_S = 5000.0
_END_S, _END_SHARE = 300.0, 0.1


@dataclass(frozen=True)
class MemoryResult:
    """`moved_mb` was copied and checked, `incidents` counts wrong data, `errors` counts errors of the procedure."""

    passed: bool
    moved_mb: float
    rate_mb_s: float
    incidents: int
    errors: int
    first: str = ""
    words: tuple[WrongWord, ...] = ()


def argv(megabytes: int, threads: int, duration_s: float, *, forced: bool = False) -> list[str]:
    """`threads` copy; half as many again only load the CPU; -W makes the copies harder. `forced` makes it write errors
    into what it checks, to see that they are found."""
    words = [
        "stressapptest", "-s", str(max(1, round(duration_s))), "-M", str(megabytes), "-m", str(threads),
        "-C", str(max(1, threads // 2)), "-W", "--cc_test",
    ]  # fmt: skip
    return [*words, "--force_errors"] if forced else words


def run(
    command: list[str],
    megabytes: int,
    duration_s: float,
    stop: StopFlag | None = None,
    on_start: Callable[[int], None] | None = None,
) -> shell.Completed:
    """`on_start` gets its PID."""
    return shell.run(command, time_limit_s(megabytes, duration_s), stop=stop, on_start=on_start)


def time_limit_s(megabytes: int, duration_s: float) -> float:
    """After how many seconds a run of `duration_s` over this much memory is given up."""
    return duration_s * (1 + _END_SHARE) + 2 * filling_s(megabytes) + _END_S


def filling_s(megabytes: int) -> float:
    """How many seconds it fills memory before the given time begins."""
    return megabytes / _FILL_MB_S


def miscompares(text: str) -> list[str]:
    """The wrong data that it reported so far. A run that was cut short has no verdict, but its wrong data counts."""
    return [line for line in _INCIDENT.findall(text) if line.startswith("miscompare")]


def wrong_words(text: str) -> tuple[WrongWord, ...]:
    """The wrong words that it reported, in order. It prints the first 30 of each thread, and up to 128 of a page."""
    return tuple(word for line in miscompares(text) if (match := _WORD.search(line)) and (word := _word(match, line)))


def _word(match: re.Match[str], line: str) -> WrongWord:
    virtual, address, found, again, expected = (
        int(match[name], 16) for name in ("virtual", "address", "found", "again", "expected")
    )
    # The address is of the first wrong byte; the word begins at a multiple of 8.
    is_right = address >= _PAGE_BYTES and (address & ~7) % _PAGE_BYTES == virtual % _PAGE_BYTES
    addresses = (address & ~7,) if is_right else ()
    names = tuple(_DIMM.findall(line))
    where = "" if addresses else f"virtual address {virtual:#x}"
    if expected == _NO_WORD:
        return WrongWord(addresses, None, None, where, f"a wrong checksum, seen by {match['who']}", names)
    note = "right when it was read again, " if again == expected else ""
    return WrongWord(addresses, found, expected, where, f"{note}seen by {match['who']}", names)


def parse(text: str) -> MemoryResult:
    """Raises ParseError if the final status or the summary is missing: a run that was cut short proves nothing."""
    status, completed = _STATUS.search(text), _COMPLETED.search(text)
    if status is None or completed is None:
        raise ParseError("stressapptest printed no final status")
    incidents, errors = int(completed[4]), int(completed[5])
    said = _INCIDENT.findall(text)
    return MemoryResult(
        passed=status[1] == "PASS" and incidents == 0 and errors == 0,
        moved_mb=float(completed[1]),
        rate_mb_s=float(completed[3]),
        incidents=incidents,
        errors=errors,
        first=said[0] if said else "",
        words=wrong_words(text),
    )
