"""memtester: bit patterns over locked memory (4.6 and newer). They find faults that stressapptest's copies do not
try."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from agent.host import shell
from agent.host.stop import StopFlag
from agent.loads.wrong_word import WrongWord
from agent.parsing import ParseError
from agent.probes.board.pagemap import Region

_MOST_OUTPUT = 64 * 1024 * 1024
# Bits of the exit status, memtester(8).
NO_MEMORY, STUCK_ADDRESS, OTHER_TEST = 1, 2, 4
_GOT = re.compile(r"got\s+(\d{1,9})MB(?: \((\d{1,18}) bytes\), trying mlock \.\.\.locked)?")
_LOOP = re.compile(r"^Loop \d{1,9}(?:/\d{1,9})?:[ \t]*$", re.MULTILINE)
_ENDED = re.compile(r"(?:^|[ \t\\|/-])ok[ \t]*$")
_FAILURE = re.compile(r"FAILURE: (.*)|(possible bad address line.*)")
_TWO = re.compile(r"(0x[0-9a-f]{1,16}) != (0x[0-9a-f]{1,16}) at offset (0x[0-9a-f]{1,16})")
_ONE = re.compile(r"possible bad address line at offset (0x[0-9a-f]{1,16})")
# glibc maps an allocation of this size for itself, with 16 bytes before it. memtester begins at the next page, and
# locks the memory from there on, so that it is a mapping of its own (memtester.c).
_LEFT_OUT_BYTES = 4096 - 16


@dataclass(frozen=True)
class PatternResult:
    """`tests` counts the tests that ended ok, `unended` names those without a result, `loops` counts the rounds.
    `size_bytes` is how much it allocated, 0 if it does not say or could not lock it."""

    megabytes: int
    tests: int
    failures: tuple[str, ...]
    unended: tuple[str, ...] = ()
    loops: int = 0
    size_bytes: int = 0


def argv(megabytes: int, loops: int) -> list[str]:
    return ["memtester", f"{megabytes}M", str(loops)]


def run(
    megabytes: int,
    loops: int,
    timeout_s: float,
    stop: StopFlag | None = None,
    on_start: Callable[[int], None] | None = None,
) -> shell.Completed:
    """`on_start` gets its PID."""
    cap_bytes = output_bytes(megabytes, loops)
    return shell.run(argv(megabytes, loops), timeout_s, stop=stop, cap_bytes=cap_bytes, on_start=on_start)


def output_bytes(megabytes: int, loops: int) -> int:
    """More bytes than it prints, since the end of each test must be seen. Five of its tests print two characters for
    every 2,500 words of half the memory (PROGRESSOFTEN in tests.c): a quarter of a megabyte per GiB."""
    return min(_MOST_OUTPUT, shell.OUTPUT_CAP_BYTES + loops * megabytes * 512)


def parse(text: str) -> PatternResult:
    """Raises ParseError unless memtester finished. Progress is rewritten with backspaces."""
    plain = re.sub(r"[\b\r]", "", text)
    # If it may not lock so much, it says so and allocates less.
    tries = list(_GOT.finditer(plain))
    if not tries:
        raise ParseError("memtester got no memory to test")
    failures = tuple((a or b).strip() for a, b in _FAILURE.findall(plain))
    if not failures and "Done." not in plain:
        raise ParseError("memtester did not come to its end")
    # `Loop 1/2:`, then one line for each test.
    rounds = _LOOP.split(plain)[1:]
    tests = [line for text in rounds for line in text.partition("Done.")[0].splitlines() if line.strip()]
    unended = tuple(line.partition(":")[0].strip()[:40] for line in tests if not _ENDED.search(line))
    last = tries[-1]
    return PatternResult(int(last[1]), len(tests) - len(unended), failures, unended, len(rounds), int(last[2] or 0))


def wrong_words(result: PatternResult, memory: Region | None) -> tuple[WrongWord, ...]:
    """The wrong words that it reported, with their physical addresses if the frames of its `memory` are known. It
    compares two halves of its memory, and does not know which of two different words is wrong."""
    return tuple(word for failure in result.failures if (word := _word(failure, result.size_bytes, memory)))


def _word(failure: str, size_bytes: int, memory: Region | None) -> WrongWord | None:
    if two := _TWO.match(failure):
        offset, half = int(two[3], 16), (size_bytes - _LEFT_OUT_BYTES) // 2
        note = f"{int(two[1], 16):#018x} and {int(two[2], 16):#018x}, which should be equal"
        return _placed((offset, half + offset), offset, note, size_bytes, memory)
    if one := _ONE.match(failure):
        offset = int(one[1], 16)
        return _placed((offset,), offset, "an address line may be bad", size_bytes, memory)
    return None


def _placed(offsets: tuple[int, ...], offset: int, note: str, size_bytes: int, memory: Region | None) -> WrongWord:
    found: list[int] = []
    if memory is not None and size_bytes:
        placed = (memory.address(memory.start + one) for one in offsets)
        found = [address for address in placed if address is not None]
    addresses = tuple(found) if len(found) == len(offsets) else ()
    return WrongWord(addresses, None, None, f"offset {offset:#x} of the test's memory", note)
