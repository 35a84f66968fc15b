"""memtester: bit patterns over locked memory (4.6 and newer), for what stressapptest's copies do not try."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent import shell
from agent.probes.parsing import ParseError
from agent.stop import StopFlag

# Bits of the exit status, memtester(8).
NO_MEMORY, STUCK_ADDRESS, OTHER_TEST = 1, 2, 4
_GOT = re.compile(r"got\s+(\d{1,9})MB")
_FAILURE = re.compile(r"FAILURE: (.*)|(possible bad address line.*)")


@dataclass(frozen=True)
class PatternResult:
    """`tests` counts those that ended ok."""

    megabytes: int
    tests: int
    failures: tuple[str, ...]


def argv(megabytes: int, loops: int) -> list[str]:
    return ["memtester", f"{megabytes}M", str(loops)]


def run(command: list[str], timeout_s: float, stop: StopFlag | None = None) -> shell.Completed:
    return shell.run(command, timeout_s, stop=stop)


def parse(text: str) -> PatternResult:
    """Progress is rewritten with backspaces. Raises ParseError unless it came to its end."""
    plain = re.sub(r"[\b\r]", "", text)
    got = _GOT.search(plain)
    if got is None:
        raise ParseError("memtester got no memory to test")
    failures = tuple((a or b).strip() for a, b in _FAILURE.findall(plain))
    if not failures and "Done." not in plain:
        raise ParseError("memtester did not come to its end")
    return PatternResult(int(got[1]), len(re.findall(r"ok\s*$", plain, re.MULTILINE)), failures)
