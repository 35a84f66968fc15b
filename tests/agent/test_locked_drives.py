"""A drive that is locked refuses every read. It is named, not tested, and not blamed."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.contract import wire
from agent.counters.counting import Counts
from agent.reports import locked_drives
from agent.stage import StageContext, StageReport
from tests.agent.hardware import Hardware, book_of
from tests.agent.test_loop import NewBench, of

CRITICAL, WARNING = wire.Severity.CRITICAL, wire.Severity.WARNING
FAILED, NOT_TESTED, PASSED = wire.Outcome.FAILED, wire.Outcome.NOT_TESTED, wire.Outcome.PASSED


def about(code: str, drive: str = "L1", severity: wire.Severity = CRITICAL) -> wire.Finding:
    return wire.Finding(code, severity, "disk", drive, f"{drive}: {code}")


def unreadable(*drives: str, also: tuple[wire.Finding, ...] = ()) -> StageReport:
    """Storage's report: the drives that it could not read, and one that it could."""
    surfaces = [wire.Check("surface", FAILED, "1 unreadable place", drive) for drive in drives]
    found = [about("storage.read_error", drive) for drive in drives]
    return StageReport(FAILED, "surface", [*surfaces, wire.Check("surface", PASSED, "", "OK1")], [*found, *also])


def outcomes(report: StageReport | wire.Result) -> dict[str, wire.Outcome]:
    return {check.component: check.outcome for check in report.checks if check.name == "surface"}


def locked(tmp_path: Path, said: list[wire.Finding], **counts: int) -> set[str]:
    hardware = Hardware()
    hardware.counts = {("smart.locked", "disk", drive): value for drive, value in counts.items()}
    book = book_of(hardware, tmp_path)
    book.open_stage()
    return locked_drives.among(said, book)


def test_a_sata_drive_says_itself_that_it_is_locked(tmp_path: Path) -> None:
    assert locked(tmp_path, [about("disk.link_error")], L1=1, L2=0) == {"L1"}


@pytest.mark.parametrize(
    ("others", "names"),
    [([], {"N1"}), ([about("disk.io_error", "N2")], {"N1"}), ([about("disk.io_error", "N1")], set())],
)
def test_of_others_the_kernel_says_so_and_nothing_worse(
    others: list[wire.Finding], names: set[str], tmp_path: Path
) -> None:
    assert locked(tmp_path, [about("disk.locked", "N1", WARNING), *others]) == names


def test_reads_that_a_locked_drive_refused_are_not_tested() -> None:
    report = locked_drives.excused(unreadable("L1"), {"L1"})
    assert (report.outcome, outcomes(report)) == (NOT_TESTED, {"L1": NOT_TESTED, "OK1": PASSED})
    assert report.reason == "1 unreadable place: the drive is locked"
    assert [one.severity for one in report.findings] == [WARNING]


def test_what_is_no_refusal_stays_a_failure() -> None:
    for report in (unreadable("L1", "BAD"), unreadable("L1", also=(about("storage.hesitates"),))):
        assert locked_drives.excused(report, {"L1"}).outcome is FAILED
    said = [about("disk.medium_error"), about("disk.io_error", "BAD"), about("disk.io_error")]
    assert [one.severity for one in locked_drives.lowered(said, {"L1"})] == [CRITICAL, CRITICAL, WARNING]


def test_a_host_with_a_locked_drive_neither_passes_nor_fails(bench: NewBench) -> None:
    def storage(context: StageContext) -> StageReport:
        return unreadable("L1")

    def counted() -> Counts:
        return {("smart.locked", "disk", "L1"): 1}

    b = bench(of("Storage"))
    b.sources = (counted,)
    b.run_to_the_end({"Storage": storage})
    result = b.orchestrator.results["Storage", 1]
    assert (result.outcome, outcomes(result)) == (NOT_TESTED, {"L1": NOT_TESTED, "OK1": PASSED})
