"""Reports test patterns that this attempt wrote and did not zero: whoever gets the disk next must know."""

from __future__ import annotations

from agent import findings
from agent.disk_writes.disk_notes import Notes
from agent.disk_writes.ranges import Union
from agent.exercises.surface import MIB, Segment
from agent.reports.partial_report import PartialReport
from agent.stage import StageContext

PLACES_TOLD = 4


def warnings(ctx: StageContext, notes: Notes) -> PartialReport:
    """A warning for each disk on which our writes left patterns, with the first places. The evidence has all places."""
    report = PartialReport()
    for (name, serial), segments in notes.left().items():
        places = _places(segments)
        amount = sum(segment.length for segment in segments)
        message = f"{name}: test patterns were left in {amount // MIB} MiB: {_few(places)}"
        report.findings.append(
            findings.make("storage.patterns_left", "disk", serial, message, value=amount, unit="bytes")
        )
        report.evidence[f"left.{serial}"] = f"{name}: not blank:\n" + "\n".join(places)
        ctx.log("warning", message)
    return report


def _places(segments: list[Segment]) -> list[str]:
    whole = Union((segment.offset, segment.length) for segment in segments)
    return [f"bytes {at} to {at + length - 1}" for at, length in whole.ranges()]


def _few(places: list[str]) -> str:
    more = len(places) - PLACES_TOLD
    return ", ".join(places[:PLACES_TOLD]) + (f" and {more} more places" if more > 0 else "")
