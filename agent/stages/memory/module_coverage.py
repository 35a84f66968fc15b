"""How much of each memory module was under test, and what the rest is used for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from agent.contract import wire
from agent.exercises.memory_under_test import UnderTest
from agent.probes.board import pagemap
from agent.probes.board.dmiaddresses import AddressMap, Span
from agent.probes.board.frames import FRAME_BYTES, Frames
from agent.probes.board.meminfo import MIB
from agent.reports import checks

CHECK = "module_coverage"
FIRMWARE = "firmware"
# What is rounded to 0.0 is not told.
_LEAST_PERCENT = 0.05
_WORDS = {
    pagemap.FREE: "free (the reserve)",
    pagemap.FILES: "files in memory (the live image)",
    pagemap.PROGRAMS: "programs",
    pagemap.KERNEL: "the kernel",
    FIRMWARE: "the firmware",
}


@dataclass(frozen=True)
class WorkedOn:
    """One test: its name in words, the frames that it worked on, and how many patterns it has."""

    words: str
    frames: Frames
    patterns: int


@dataclass
class Share:
    """Of one module, in frames: all of its addresses, those `covered` by any test, those of each test, and the others
    by their use. A module that is interleaved with `others` has an even share of the common addresses."""

    total: float = 0.0
    covered: float = 0.0
    by_test: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    uses: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    others: set[str] = field(default_factory=set)

    def percent(self, frames: float) -> float:
        return 100.0 * frames / self.total if self.total else 0.0


def shares(addresses: AddressMap, tests: Sequence[WorkedOn]) -> dict[str, Share]:
    """The share of each module that has addresses."""
    found = {name: Share() for name in addresses.names}
    covered = _all(tests)
    for span in addresses.spans:
        used = sum(_size(part) for part in addresses.used() if span.start <= part.start < span.end)
        for name in span.modules:
            share, parts = found[name], len(span.modules)
            share.total += _size(span) / parts
            share.uses[FIRMWARE] += (_size(span) - used) / parts
            share.others |= set(span.modules) - {name}
            if covered is not None:
                share.covered += _count(covered, span) / parts
            for test in tests:
                share.by_test[test.words] += _count(test.frames, span) / parts
    return found


def judge(
    addresses: AddressMap, dimms: Sequence[wire.Dimm], watch: UnderTest, tests: Sequence[WorkedOn], passes: float
) -> tuple[list[wire.Check], dict[str, float]]:
    """A check and numbers for each module. `watch` saw the first of the tests, which works on all memory and went
    through it `passes` times. A share that is not known is not tested."""
    of_modules = shares(addresses, tests) if addresses.spans else {}
    names = [dimm.locator for dimm in dimms if dimm.ram_mb != 0] or addresses.names
    made, numbers = [], dict[str, float]()
    for name in names:
        share = of_modules.get(name)
        why = addresses.unknown or (watch.why if not tests else "")
        if share is None or why:
            reason = f"not known: {why or 'the firmware lists no addresses of it'}"
            made.append(checks.not_tested(CHECK, name, reason=reason))
            continue
        _add_uses(share, name, watch)
        numbers |= {
            f"covered_percent.{name}": share.percent(share.covered),
            f"passes.{name}": passes,
            f"patterns.{name}": float(sum(test.patterns for test in tests if share.by_test[test.words])),
        }
        made.append(_check(name, share, _words(share, watch)))
    return made, numbers


def _check(name: str, share: Share, words: str) -> wire.Check:
    """Of a module of which nothing is known to have been under test nothing was tested."""
    return checks.passed(CHECK, name, reason=words) if share.covered else checks.not_tested(CHECK, name, reason=words)


def _words(share: Share, watch: UnderTest) -> str:
    least = "" if watch.seen and watch.seen.complete else "at least "
    words = [f"{least}{share.percent(share.covered):.1f} % of its addresses were under test"]
    words += [f"{name} {share.percent(count):.1f} %" for name, count in share.by_test.items()]
    uses = ((use, share.percent(count)) for use, count in share.uses.items())
    most_first = sorted(uses, key=lambda pair: -pair[1])
    rest = [f"{_WORDS[use]} {percent:.1f} %" for use, percent in most_first if percent >= _LEAST_PERCENT]
    if rest:
        words.append(f"the rest while all memory was tested: {', '.join(rest)}")
    if watch.seen is None:
        words.append(f"what stressapptest had of it is not known: {watch.why}")
    elif watch.seen.moved:
        moved_mb = watch.seen.moved * FRAME_BYTES / MIB
        words.append(f"{moved_mb:.1f} MiB of all modules moved while the test ran and do not count")
    if share.others:
        words.append(f"interleaved with {', '.join(sorted(share.others))}, of which each has an even share")
    return "; ".join(words)


def _add_uses(share: Share, name: str, watch: UnderTest) -> None:
    for modules, uses in watch.seen.uses.items() if watch.seen else ():
        if name in modules:
            for use, count in uses.items():
                share.uses[use] += count / len(modules)


def _all(tests: Sequence[WorkedOn]) -> Frames | None:
    found = None
    for test in tests:
        found = test.frames if found is None else found.either(test.frames)
    return found


def _size(span: Span) -> int:
    return span.end // FRAME_BYTES - span.start // FRAME_BYTES


def _count(frames: Frames, span: Span) -> int:
    return frames.count(span.start // FRAME_BYTES, span.end // FRAME_BYTES)
