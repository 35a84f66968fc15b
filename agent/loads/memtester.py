"""memtester: bit patterns over locked memory (4.6 and newer). They find faults that stressapptest's copies do not
try."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.host import shell
from agent.host.stop import StopFlag
from agent.parsing import ParseError

_MOST_OUTPUT = 64 * 1024 * 1024
# Bits of the exit status, memtester(8).
NO_MEMORY, STUCK_ADDRESS, OTHER_TEST = 1, 2, 4
_GOT = re.compile(r"got\s+(\d{1,9})MB")
_LOOP = re.compile(r"^Loop \d{1,9}(?:/\d{1,9})?:[ \t]*$", re.MULTILINE)
_ENDED = re.compile(r"(?:^|[ \t\\|/-])ok[ \t]*$")
_FAILURE = re.compile(r"FAILURE: (.*)|(possible bad address line.*)")


@dataclass(frozen=True)
class PatternResult:
    """`tests` counts the tests that ended ok, `unended` names those without a result, `loops` counts the rounds."""

    megabytes: int
    tests: int
    failures: tuple[str, ...]
    unended: tuple[str, ...] = ()
    loops: int = 0


def argv(megabytes: int, loops: int) -> list[str]:
    return ["memtester", f"{megabytes}M", str(loops)]


def run(megabytes: int, loops: int, timeout_s: float, stop: StopFlag | None = None) -> shell.Completed:
    return shell.run(argv(megabytes, loops), timeout_s, stop=stop, cap_bytes=output_bytes(megabytes, loops))


def output_bytes(megabytes: int, loops: int) -> int:
    """More bytes than it prints, since the end of each test must be seen. Five of its tests print two characters for
    every 2,500 words of half the memory (PROGRESSOFTEN in tests.c): a quarter of a megabyte per GiB."""
    return min(_MOST_OUTPUT, shell.OUTPUT_CAP_BYTES + loops * megabytes * 512)


def parse(text: str) -> PatternResult:
    """Raises ParseError unless memtester finished. Progress is rewritten with backspaces."""
    plain = re.sub(r"[\b\r]", "", text)
    got = _GOT.search(plain)
    if got is None:
        raise ParseError("memtester got no memory to test")
    failures = tuple((a or b).strip() for a, b in _FAILURE.findall(plain))
    if not failures and "Done." not in plain:
        raise ParseError("memtester did not come to its end")
    # `Loop 1/2:`, then one line for each test.
    rounds = _LOOP.split(plain)[1:]
    tests = [line for text in rounds for line in text.partition("Done.")[0].splitlines() if line.strip()]
    unended = tuple(line.partition(":")[0].strip()[:40] for line in tests if not _ENDED.search(line))
    return PatternResult(int(got[1]), len(tests) - len(unended), failures, unended, len(rounds))
