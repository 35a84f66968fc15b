"""What one piece of work, on one disk or card, adds to the stage's report."""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.contract import wire


@dataclass
class PartialReport:
    checks: list[wire.Check] = field(default_factory=list)
    findings: list[wire.Finding] = field(default_factory=list)
    numbers: dict[str, float] = field(default_factory=dict)
    evidence: dict[str, str] = field(default_factory=dict)
