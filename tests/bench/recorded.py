"""Compares what is recorded with what was sent, row by row: every log line and every sample exactly once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests.bench import fleet
from tests.bench.fleet import Agent


@dataclass
class Recorded:
    """`sent`: log lines and samples; `once` of them are recorded exactly once, `lost` not at all, `doubled` more often.
    `foreign` was never sent."""

    sent: int = 0
    once: int = 0
    lost: int = 0
    doubled: int = 0
    foreign: int = 0

    def add(self, expected: Iterable[object], found: Iterable[object]) -> None:
        counts, wanted = Counter(found), set(expected)
        self.sent += len(wanted)
        self.once += sum(counts[one] == 1 for one in wanted)
        self.lost += sum(counts[one] == 0 for one in wanted)
        self.doubled += sum(counts[one] > 1 for one in wanted)
        self.foreign += len(counts.keys() - wanted)

    @property
    def is_exact(self) -> bool:
        return self.once == self.sent and not self.foreign


def compared(agents: list[Agent], last: Counter[tuple[int, str]], began: float) -> Recorded:
    """`last` has the highest number of each run's batches; all up to it were sent."""
    found = Recorded()
    for agent in agents:
        lines = _expected(last[agent.run, "log"], fleet.LINES_PER_BATCH)
        found.add((fleet.line_text(seq, k) for seq, k in lines), _lines(agent.run))
        samples = _expected(last[agent.run, "sensor"], fleet.SAMPLES_PER_BATCH)
        found.add(((seq, f"CPU{k}", 40.0 + k) for seq, k in samples), _samples(agent.run, began))
    return found


def _expected(batches: int, each: int) -> Iterable[tuple[int, int]]:
    return ((seq, k) for seq in range(1, batches + 1) for k in range(each))


def _lines(run: int) -> list[str]:
    from runs.files import logs as logfiles

    try:
        rows = logfiles.path(run).read_text().splitlines()
    except FileNotFoundError:
        return []
    return [logfiles.parse_line(row).text for row in rows]


def _samples(run: int, began: float) -> list[tuple[Any, ...]]:
    """Number of the batch, component and value of each sample."""
    from runs.measurements import reading

    return [
        (round((one.at_ms / 1000 - began) / fleet.SAMPLE_EVERY_S), one.component, one.value)
        for one in reading.every(run)
    ]
