"""Locked drives refuse to be read and written. That is not their fault, so they are not tested."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from agent.contract import wire
from agent.counters.counting import CounterBook
from agent.stage import StageReport

_CRITICAL, _WARNING = wire.Severity.CRITICAL, wire.Severity.WARNING
_REFUSED = ("disk.io_error", "disk.link_error", "storage.read_error", "storage.write_error")
_WHY = "the drive is locked"


def among(found: Iterable[wire.Finding], book: CounterBook) -> set[str]:
    """The locked drives. A SATA drive reports the lock itself (ATA security). For other drives the kernel logs that
    they denied access. Then every error in its log must be such a denial; otherwise a broken drive would be excused
    too."""
    found = list(found)
    denied = {one.component for one in found if one.code == "disk.locked"}
    others = {one.component for one in found if one.severity is _CRITICAL and one.component_kind == "disk"}
    return book.parts_with("smart.locked") | (denied - others)


def lowered(found: Iterable[wire.Finding], locked: Collection[str]) -> list[wire.Finding]:
    """The findings, with the refusals of locked drives as warnings. SMART and Storage do not test such a drive, so the
    run does not pass."""
    return [
        replace(one, severity=_WARNING, message=f"{one.message} ({_WHY})") if _is_refusal(one, locked) else one
        for one in found
    ]


def excused(report: StageReport, locked: Collection[str]) -> StageReport:
    """The stage's report. A check that failed only because a locked drive refused becomes not tested."""
    also = {one.component for one in report.findings if one.severity is _CRITICAL and not _is_refusal(one, locked)}
    refused = {one.component for one in report.findings if _is_refusal(one, locked)} - also
    if not refused:
        return report
    made = [_not_tested(check) if check.component in refused else check for check in report.checks]
    changed = replace(report, checks=made, findings=lowered(report.findings, refused))
    if any(check.outcome is wire.Outcome.FAILED for check in made):
        return changed
    why = "; ".join(check.reason for check in made if check.component in refused and check.reason.endswith(_WHY))
    return replace(changed, outcome=wire.Outcome.NOT_TESTED, reason=why)


def _is_refusal(one: wire.Finding, locked: Collection[str]) -> bool:
    return one.severity is _CRITICAL and one.code in _REFUSED and one.component in locked


def _not_tested(check: wire.Check) -> wire.Check:
    if check.outcome is not wire.Outcome.FAILED:
        return check
    return replace(check, outcome=wire.Outcome.NOT_TESTED, reason=f"{check.reason}: {_WHY}")
