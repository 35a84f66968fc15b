"""Drives that refuse to be read or written: locked ones, those that another host has reserved, and those that give
nothing where nothing was written. That is not their fault, so they are not tested."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from agent.contract import wire
from agent.contract.component_kinds import ComponentKind
from agent.counters.counting import CounterBook
from agent.stage import StageReport

_CRITICAL, _WARNING = wire.Severity.CRITICAL, wire.Severity.WARNING
_ERRORS = ("disk.io_error", "disk.link_error", "storage.read_error", "storage.write_error")
# Why a drive refuses, by the finding code of the line in which the kernel says so.
WORDS = {
    "disk.locked": "the drive is locked",
    "disk.reserved": "another host has reserved the drive",
    "disk.unwritten": "the drive gives no data where nothing was written",
}


def among(found: Iterable[wire.Finding], book: CounterBook) -> dict[str, str]:
    """The drives that refuse, and why. A SATA drive reports its lock itself (ATA security). Everything else the kernel
    logs. Then every error of the drive in the log must be a refusal; otherwise a broken drive would be excused too."""
    found = list(found)
    broken = {one.component for one in found if one.severity is _CRITICAL and one.component_kind == ComponentKind.DISK}
    told = {
        one.component: words
        for code, words in reversed(WORDS.items())
        for one in found
        if one.code == code and one.component not in broken
    }
    return told | dict.fromkeys(book.parts_with("smart.locked"), WORDS["disk.locked"])


def lowered(found: Iterable[wire.Finding], refusing: Mapping[str, str]) -> list[wire.Finding]:
    """The findings, with the refusals of these drives as warnings. Storage does not test such a drive, so the run does
    not pass."""
    return [
        replace(one, severity=_WARNING, message=f"{one.message} ({refusing[one.component]})")
        if _is_refusal(one, refusing)
        else one
        for one in found
    ]


def excused(report: StageReport, refusing: Mapping[str, str]) -> StageReport:
    """The stage's report. A check that failed only because a drive refused becomes not tested."""
    also = {one.component for one in report.findings if one.severity is _CRITICAL and not _is_refusal(one, refusing)}
    refused = {one.component for one in report.findings if _is_refusal(one, refusing)} - also
    if not refused:
        return report
    why = {name: words for name, words in refusing.items() if name in refused}
    made = [_not_tested(check, why) for check in report.checks]
    changed = replace(report, checks=made, findings=lowered(report.findings, why))
    if any(check.outcome is wire.Outcome.FAILED for check in made):
        return changed
    reasons = [new.reason for old, new in zip(report.checks, made, strict=True) if new is not old]
    return replace(changed, outcome=wire.Outcome.NOT_TESTED, reason="; ".join(reasons))


def _is_refusal(one: wire.Finding, refusing: Mapping[str, str]) -> bool:
    return one.severity is _CRITICAL and one.code in _ERRORS and one.component in refusing


def _not_tested(check: wire.Check, why: Mapping[str, str]) -> wire.Check:
    if check.outcome is not wire.Outcome.FAILED or check.component not in why:
        return check
    return replace(check, outcome=wire.Outcome.NOT_TESTED, reason=f"{check.reason}: {why[check.component]}")
