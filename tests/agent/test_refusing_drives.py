"""A drive that refuses reads or writes for no fault of its own is named, not tested, and not blamed."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.contract import wire
from agent.counters.component_names import Names
from agent.counters.counting import Counts
from agent.counters.kernel.kernel_findings import Tallies
from agent.counters.kernel.kmsg import Classifier
from agent.counters.kernel.kmsg_record import Record
from agent.disk_writes import verified_writes
from agent.exercises import surface
from agent.exercises.surface import Segment
from agent.host.shell import Completed
from agent.loads import fio
from agent.reports import refusing_drives
from agent.stage import StageContext, StageReport
from tests.agent.hardware import Hardware, book_of
from tests.agent.test_loop import NewBench, of

CRITICAL, WARNING = wire.Severity.CRITICAL, wire.Severity.WARNING
LOCKED = {"L1": "the drive is locked"}
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


def refusing(tmp_path: Path, said: list[wire.Finding], **counts: int) -> dict[str, str]:
    hardware = Hardware()
    hardware.counts = {("smart.locked", "disk", drive): value for drive, value in counts.items()}
    book = book_of(hardware, tmp_path)
    book.open_stage()
    return refusing_drives.among(said, book)


def test_a_sata_drive_says_itself_that_it_is_locked(tmp_path: Path) -> None:
    assert refusing(tmp_path, [about("disk.link_error")], L1=1, L2=0) == LOCKED


@pytest.mark.parametrize("code", refusing_drives.WORDS)
@pytest.mark.parametrize(
    ("others", "names"),
    [([], {"N1"}), ([about("disk.io_error", "N2")], {"N1"}), ([about("disk.io_error", "N1")], set())],
)
def test_of_others_the_kernel_says_so_and_nothing_worse(
    code: str, others: list[wire.Finding], names: set[str], tmp_path: Path
) -> None:
    said = [about(code, "N1", WARNING), *others]
    assert refusing(tmp_path, said) == dict.fromkeys(names, refusing_drives.WORDS[code])


def test_reads_that_a_locked_drive_refused_are_not_tested() -> None:
    report = refusing_drives.excused(unreadable("L1"), LOCKED)
    assert (report.outcome, outcomes(report)) == (NOT_TESTED, {"L1": NOT_TESTED, "OK1": PASSED})
    assert report.reason == "1 unreadable place: the drive is locked"
    assert [one.severity for one in report.findings] == [WARNING]


def test_what_is_no_refusal_stays_a_failure() -> None:
    for report in (unreadable("L1", "BAD"), unreadable("L1", also=(about("storage.hesitates"),))):
        assert refusing_drives.excused(report, LOCKED).outcome is FAILED
    said = [about("disk.medium_error"), about("disk.io_error", "BAD"), about("disk.io_error")]
    assert [one.severity for one in refusing_drives.lowered(said, LOCKED)] == [CRITICAL, CRITICAL, WARNING]


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


def logged(*lines: str) -> list[wire.Finding]:
    """The findings from these lines of the kernel's log."""
    classify, tallies = Classifier(), Tallies()
    for number, line in enumerate(lines):
        tallies.add(classify.look(Record(number, 60_000_000 + number, 4, line)))
    inventory = wire.Inventory(disks=[wire.Disk(*told, "", "sas", 9) for told in (("sdb", "L1"), ("nvme0n1", "N1"))])
    return tallies.take(Names(Path("/nowhere"), inventory))


CONFLICT = "reservation conflict error, dev sdb, sector 0 op {}:({}) flags 0x0 phys_seg 1 prio class 2"
NEXUS = "blk_update_request: critical nexus error, dev sdb, sector 0 op {}:({}) flags 0x0 phys_seg 1 prio class 2"
BUFFER = "Buffer I/O error on dev sdb, logical block 0, async page read"
UNWRITTEN = "nvme0n1: Read(0x2) @ LBA 0, 2048 blocks, Unwritten Block (sct 0x2 / sc 0x87) DNR"
NO_DATA = "critical medium error, dev nvme0n1, sector 0 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2"
READ_FAILED = "fio: io_u error on file /dev/sdb: Invalid exchange: read offset=0, buflen=1048576\n"
WRITE_FAILED = READ_FAILED.replace(": read", ": write")
NOTHING_THERE = "fio: io_u error on file /dev/nvme0n1: No data available: read offset=0, buflen=1048576\n"
REFUSALS = {
    "a reservation for one host alone": ("L1", READ_FAILED, [CONFLICT.format("0x0", "READ"), BUFFER]),
    "the same before Linux 6.4": ("L1", READ_FAILED, [NEXUS.format("0x0", "READ"), BUFFER]),
    "a reservation that lets others read": ("L1", WRITE_FAILED, [CONFLICT.format("0x1", "WRITE")]),
    "blocks that nobody wrote": ("N1", NOTHING_THERE, [UNWRITTEN, NO_DATA]),
}


def stored(drive: str, said: str) -> StageReport:
    """Storage's report on a drive of which fio said this."""
    bad = fio.io_errors(said)[0]
    if bad.kind == "write":
        fault = verified_writes.judge(Completed(["fio"], 1, "", said), Segment(bad.offset, bad.length), drive)
        return StageReport(FAILED, "verified_write", fault.checks, fault.findings)
    found = surface.unreadable("sdb", drive, [(bad.offset // 512, bad.length // 512)])
    return StageReport(FAILED, "surface", [wire.Check("surface", FAILED, found.message, drive)], [found])


@pytest.mark.parametrize("name", REFUSALS)
def test_a_drive_that_refuses_is_not_tested_and_the_reason_says_why(name: str, tmp_path: Path) -> None:
    drive, said, lines = REFUSALS[name]
    around = logged(*lines)
    why = refusing(tmp_path, around)
    report = refusing_drives.excused(stored(drive, said), why)
    assert [one.severity for one in [*around, *report.findings]] == [WARNING] * (len(around) + 1)
    assert [check.outcome for check in report.checks] == [report.outcome] == [NOT_TESTED]
    assert report.reason.endswith(why[drive])


@pytest.mark.parametrize("name", REFUSALS)
@pytest.mark.parametrize(
    "error",
    [
        "critical medium error, dev {}, sector 8 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2",
        "I/O error, dev {}, sector 8 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2",
    ],
)
def test_a_drive_that_refuses_and_has_another_error_fails(name: str, error: str, tmp_path: Path) -> None:
    drive, said, lines = REFUSALS[name]
    around = logged(*lines, error.format("sdb" if drive == "L1" else "nvme0n1"))
    assert refusing_drives.excused(stored(drive, said), refusing(tmp_path, around)).outcome is FAILED
