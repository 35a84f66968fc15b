"""Waits for the self-tests that SMART left running in the drives."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from agent.contract import wire
from agent.exercises import drive_self_tests, drives
from agent.exercises.drive_self_tests import TOPIC, Drive
from agent.reports import checks
from agent.reports.partial_report import PartialReport
from agent.reports.progress import ProgressBoard
from agent.stage import StageContext


def await_self_tests(ctx: StageContext, disks: list[wire.Disk], board: ProgressBoard) -> list[PartialReport]:
    """Wait for the tests that SMART left running. Storage calls it before it reads: most drives abort or slow down
    their test while they are read."""
    asked = drives.of(disks)
    found = asked.drives
    gone = sorted(drive_self_tests.Ledger(ctx).begun_in_smart() - {drive.name for drive in found})
    with ThreadPoolExecutor(max_workers=max(1, len(found)), thread_name_prefix="self-test") as pool:
        reports = list(pool.map(lambda drive: _await_self_test(ctx, drive, board), found))
    return [*reports, PartialReport([*(_unended(name) for name in gone), *asked.cards])]


def _unended(name: str) -> wire.Check:
    """The check for a drive behind a RAID controller that no longer answers. The kernel's own disks are in the
    inventory and are asked."""
    why = f"{name}: SMART has started its self-test, and it does not answer any more"
    return checks.not_tested(drive_self_tests.CHECK, name, reason=why, topic=TOPIC)


def _await_self_test(ctx: StageContext, drive: Drive, board: ProgressBoard) -> PartialReport:
    report = PartialReport()
    smart = drives.ask(drive, report)
    if smart is None or smart.is_silent:
        why = f"{drive.label}: {smart.trouble}" if smart else report.checks.pop().reason
        report.checks.append(checks.not_tested(drive_self_tests.CHECK, drive.name, reason=why, topic=TOPIC))
        return report
    try:
        begun = drive_self_tests.take_over(ctx, drive, smart, drive_self_tests.in_background(ctx.claim))
        check, report.findings = drive_self_tests.follow(ctx, drive, smart.protocol, begun, board)
    except drive_self_tests.NotStarted as error:
        check = error.check
    now = drives.ask(drive, report) or smart
    report.checks = [check]
    report.findings = report.findings or drive_self_tests.failed(now.self_test.failure, drive.label, drive.name)
    return report
