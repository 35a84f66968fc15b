"""What one piece of a stage's work, for example on one disk, adds to the stage's report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from agent.contract import wire


@dataclass
class PartialReport:
    checks: list[wire.Check] = field(default_factory=list)
    findings: list[wire.Finding] = field(default_factory=list)
    numbers: dict[str, float] = field(default_factory=dict)
    evidence: dict[str, str] = field(default_factory=dict)


def joined(reports: Iterable[PartialReport]) -> PartialReport:
    """One report of all of them, in their order. Of two numbers or texts with the same name the later one stays."""
    whole = PartialReport()
    for report in reports:
        whole.checks += report.checks
        whole.findings += report.findings
        whole.numbers |= report.numbers
        whole.evidence |= report.evidence
    return whole
