"""Makes findings from hits in the kernel's log: one per code and part, which quotes and counts the messages."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from agent import findings
from agent.contract import wire
from agent.counters.component_names import Names
from agent.counters.kernel.kmsg_record import Hit
from agent.sensors.chip import Part

# How many different messages a finding quotes, and how many characters of each.
QUOTED, QUOTED_CHARS = 3, 300
# How often an ordinary message must appear to be a warning. Chosen by us.
MANY = 20
_NUMBER = re.compile(r"\b(?:0x)?[0-9a-f]*\d[0-9a-f]*\b", re.IGNORECASE)
Key = tuple[str, wire.Severity, str, str]


@dataclass
class Tally:
    """How many errors of one kind one device had. `quoted` holds the first of each wording; its key is the message
    without its numbers. `candidates` are memory modules of which one is meant."""

    by_lines: int = 0
    by_reports: int = 0
    quoted: dict[str, str] = field(default_factory=dict)
    candidates: set[str] = field(default_factory=set)

    @property
    def count(self) -> int:
        """EDAC has a line of its own for an error that the firmware reports, so a report and a line may be about one
        error."""
        return max(self.by_lines, self.by_reports)

    def add(self, hit: Hit) -> None:
        if hit.is_report:
            self.by_reports += hit.times
        else:
            self.by_lines += hit.times
        said = (hit.said or hit.record.text)[:QUOTED_CHARS]
        if len(self.quoted) < QUOTED:
            self.quoted.setdefault(_NUMBER.sub("#", said), said)

    def join(self, other: Tally) -> None:
        self.by_lines += other.by_lines
        self.by_reports += other.by_reports
        self.candidates |= other.candidates
        for shape, said in other.quoted.items():
            if len(self.quoted) < QUOTED:
                self.quoted.setdefault(shape, said)


class Tallies:
    """What was logged since the last `take`."""

    def __init__(self) -> None:
        self._said: dict[Key, Tally] = {}

    def add(self, hits: Iterable[Hit]) -> None:
        for hit in hits:
            self._said.setdefault((hit.code, hit.severity, hit.names, hit.name), Tally()).add(hit)

    def take(self, names: Names) -> list[wire.Finding]:
        """One finding per code, severity and part. Hits are joined by part, since the kernel may have several names for
        one."""
        said, self._said = self._said, {}
        of_parts: dict[tuple[str, wire.Severity, Part], Tally] = {}
        for (code, severity, kind, name), tally in said.items():
            part = names.part(kind, name)
            tally.candidates.update(names.candidates(kind, name))
            weight = wire.Severity.WARNING if names.never_fails_the_host(part) else severity
            of_parts.setdefault((code, weight, part), Tally()).join(tally)
        return [
            _finding(code, _by_number(weight, tally), part, tally) for (code, weight, part), tally in of_parts.items()
        ]


def _by_number(severity: wire.Severity, tally: Tally) -> wire.Severity:
    is_many = severity is wire.Severity.INFO and tally.count >= MANY
    return wire.Severity.WARNING if is_many else severity


def _finding(code: str, severity: wire.Severity, part: Part, tally: Tally) -> wire.Finding:
    often = f" ({tally.count} times)" if tally.count > 1 else ""
    one_of = f" (one of {', '.join(sorted(tally.candidates))}, interleaved)" if tally.candidates else ""
    message = f"{part.name}{one_of}: the kernel said: {'; '.join(tally.quoted.values())}{often}"
    return findings.make(
        code, part.kind, part.name, message, value=float(tally.count), unit="messages", severity=severity
    )
