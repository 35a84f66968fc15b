"""What the kernel's early test of memory (memtest=) wrote into its log: mm/memtest.c. The test runs before the kernel
uses the memory, on one processor, and sets aside what it finds bad."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.parsing import count
from agent.probes.board.iomem import Range

_ORDERED = re.compile(r"early_memtest: # of tests: (\d{1,9})")
_TESTED = re.compile(r"^ *0x([0-9a-f]{1,16}) - 0x([0-9a-f]{1,16}) pattern ([0-9a-f]{16})$")
_BAD = re.compile(r"\b([0-9a-f]{16}) bad mem addr 0x([0-9a-f]{1,16}) - 0x([0-9a-f]{1,16}) reserved")
# In /proc/meminfo since Linux 6.4, if the test ran. An amount below 1 kB counts as 1 kB.
MEMINFO = "EarlyMemtestBad"


@dataclass(frozen=True)
class Round:
    """One pattern, in hexadecimal, and the ranges that were filled with it and compared."""

    pattern: str
    ranges: tuple[Range, ...]


@dataclass(frozen=True)
class Bad:
    """Addresses from `start` up to `end` did not keep the pattern."""

    start: int
    end: int
    pattern: str


@dataclass(frozen=True)
class EarlyTest:
    """`ordered` is how many patterns the kernel began with, None if the log does not say."""

    ordered: int | None
    rounds: tuple[Round, ...]
    bad: tuple[Bad, ...]

    @property
    def is_empty(self) -> bool:
        """Whether no line was the test's."""
        return self.ordered is None and not self.rounds and not self.bad


def parse(text: str) -> EarlyTest:
    """`text` has one message of the kernel in each line."""
    ordered, bad = None, []
    rounds: list[tuple[str, list[Range]]] = []
    for line in text.splitlines():
        if match := _ORDERED.search(line):
            ordered = count(match[1])
        elif match := _BAD.search(line):
            bad.append(Bad(int(match[2], 16), int(match[3], 16), match[1]))
        elif match := _TESTED.match(line):
            one = int(match[1], 16), int(match[2], 16)
            # Each round goes through the memory from the lowest address on.
            if not rounds or one[0] <= rounds[-1][1][-1][0]:
                rounds.append((match[3], []))
            rounds[-1][1].append(one)
    return EarlyTest(ordered, tuple(Round(pattern, tuple(ranges)) for pattern, ranges in rounds), tuple(bad))
