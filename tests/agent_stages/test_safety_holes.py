"""Ways in which a byte could have reached a disk that it should not have: each was open once, and is shut here."""

from __future__ import annotations

import errno
import json
import os
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.contract import wire
from agent.disk_writes import diskio, safety, verified_writes, wipe_probe
from agent.disk_writes.disk_notes import Notes
from agent.disk_writes.safety import DiskFacts, WipeReport, WriteGrant
from agent.disk_writes.wipe_probe import Thoroughness
from agent.exercises.surface import MIB, Segment
from agent.host.shell import Completed
from agent.loads import fio
from agent.parsing import is_dummy
from agent.probes.drives import util_linux
from agent.reports.partial_report import PartialReport
from agent.reports.progress import ProgressBoard
from agent.stages.storage import stage as storage
from tests.agent_stages.contexts import context
from tests.agent_stages.worlds import ALLOWED, BLANK, DISK, about, judge

EFFORT = Thoroughness(full_scan_bytes=MIB, samples=16, time_limit_s=5)
SEGMENTS = [Segment(0, MIB), Segment(4 * MIB, MIB), Segment(8 * MIB, MIB)]
GRANT = WriteGrant("sda", "SATA-0001", "", "sata", 256)


def writing(directory: Path, **changes: Any) -> Any:
    ctx = context("Storage", directory, disks=[ALLOWED], write_mode=True, destructive_allowed=True)
    return replace(ctx, **changes)


class Recorder:
    """In fio's place: which ranges would have been written, and how each job ends."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, trouble_at: int = -1, killed_at: int = -1) -> None:
        self.patterns: list[Segment] = []
        self.blanked: list[Segment] = []
        self._trouble_at, self._killed_at = trouble_at, killed_at
        monkeypatch.setattr(verified_writes, "_verify", self._verify)
        monkeypatch.setattr(verified_writes, "_fio", self._blank)

    def _verify(self, ctx: Any, fd: int, segment: Segment) -> tuple[fio.Job | None, str, list[fio.BadRange]]:
        self.patterns.append(segment)
        if len(self.patterns) - 1 == self._trouble_at:
            return None, "fio exited with 1", []
        if len(self.patterns) - 1 == self._killed_at:
            raise KeyboardInterrupt
        length = segment.length
        return fio.Job(0, length, length, 1e8, 1e8, 100.0, 10, None), "", []

    def _blank(self, ctx: Any, fd: int, argv: list[str], amount: int) -> Any:
        words = dict(word.split("=", 1) for word in argv if "=" in word)
        self.blanked.append(Segment(int(words["--offset"]), int(words["--size"])))
        sides = {"read": {"io_bytes": 0}, "write": {"io_bytes": amount}}
        return Completed(argv, 0, json.dumps({"jobs": [{"jobname": "blank", "error": 0, **sides}]}))


def write(ctx: Any, grant: WriteGrant = GRANT, segments: list[Segment] = SEGMENTS) -> PartialReport:
    """As `disk_write` does between opening and closing the disk."""
    notes, report = Notes(ctx), PartialReport()
    notes.keep_begun(grant, segments)
    verified_writes._segments(ctx, grant, -1, segments, ProgressBoard(ctx), notes, report)
    return report


# --- what changes between the look and the write ------------------------------------------------------------------


def test_the_wipe_probe_looks_after_hours_of_reading_and_not_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    monkeypatch.setattr(storage, "_surface", lambda *given: order.append("surface") or PartialReport())
    monkeypatch.setattr(storage.disk_speed, "measure", lambda *given: order.append("speed") or PartialReport())
    monkeypatch.setattr(verified_writes, "decide", lambda *given: order.append("decide") or verified_writes.NOTHING)
    monkeypatch.setattr(verified_writes, "write_all", lambda *given: order.append("write") or PartialReport())
    storage.run(writing(tmp_path))
    assert order == ["surface", "speed", "decide", "write"]


def test_a_stage_that_was_stopped_neither_probes_nor_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ctx = writing(tmp_path)
    ctx.stop.set("the run was ended")
    monkeypatch.setattr(verified_writes, "decide", lambda *given: pytest.fail("it decided"))
    report = storage.run(ctx)
    assert report.outcome is wire.Outcome.NOT_TESTED
    assert "verified_write: was not run" in report.reason


@pytest.mark.parametrize(
    ("after", "gate"),
    [
        ([DISK], None),
        ([DISK, replace(DISK, name="sdb")], 4),
        ([replace(DISK, size_mb=512)], 4),
        ([replace(DISK, name="sdb")], 3),
        ([], 4),
    ],
    ids=["nothing changed", "a twin came", "another size", "another name", "it went"],
)
def test_disks_are_looked_at_again_after_the_probe(
    after: list[DiskFacts], gate: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = iter([[DISK], after])
    monkeypatch.setattr(verified_writes, "facts", lambda: next(seen))
    monkeypatch.setattr(wipe_probe, "probe", lambda name, effort: WipeReport())
    ctx = writing(tmp_path)
    decided = verified_writes.decide(ctx, Notes(ctx))
    assert [one.gate for one in decided.refusals if one.serial == DISK.serial][:1] == ([] if gate is None else [gate])
    assert bool(decided.grants) is (gate is None)


# --- gate 5 while writing -----------------------------------------------------------------------------------------


def test_nothing_more_is_written_while_the_orchestrator_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ages = iter([1.0, 16.0, 16.0])
    recorder = Recorder(monkeypatch)
    ctx = writing(tmp_path, last_continue_age_s=lambda: next(ages))
    monkeypatch.setattr(ctx.stop, "wait", lambda timeout_s: ctx.stop.is_set() or ctx.stop.set("the run was ended"))
    report = write(ctx)
    assert recorder.patterns == SEGMENTS[:1]
    assert [check.outcome for check in report.checks if check.name == verified_writes.CHECK] == [
        wire.Outcome.NOT_TESTED
    ]


def test_writing_goes_on_when_the_orchestrator_answers_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ages = iter([1.0, 16.0, 20.0, 0.5, 1.0, 1.0, 1.0, 1.0])
    recorder = Recorder(monkeypatch)
    ctx = writing(tmp_path, last_continue_age_s=lambda: next(ages))
    monkeypatch.setattr(ctx.stop, "wait", lambda timeout_s: False)
    report = write(ctx)
    assert recorder.patterns == SEGMENTS
    assert [check.outcome for check in report.checks if check.name == verified_writes.CHECK] == [wire.Outcome.PASSED]


def test_only_places_that_were_overwritten_as_a_whole_are_blanked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How far the second came is not known: zeros would overwrite what no pattern has. It is told instead."""
    recorder = Recorder(monkeypatch, trouble_at=1)
    ctx = writing(tmp_path)
    write(ctx)
    assert recorder.blanked == SEGMENTS[:1]
    assert Notes(ctx).left() == {("sda", "SATA-0001"): SEGMENTS[1:2]}


def test_a_resumed_attempt_blanks_what_it_wrote_before_the_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ctx = writing(tmp_path)
    Recorder(monkeypatch, killed_at=2)
    with pytest.raises(KeyboardInterrupt):
        write(ctx)
    recorder = Recorder(monkeypatch, trouble_at=0)
    write(ctx, replace(GRANT, resumed=True))
    assert recorder.patterns == SEGMENTS[2:]
    assert recorder.blanked == SEGMENTS[:2]


def test_a_resumed_attempt_goes_on_after_what_it_had_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, ctx = Recorder(monkeypatch, killed_at=1), writing(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        write(ctx)
    assert first.patterns == SEGMENTS[:2]
    second = Recorder(monkeypatch)
    report = write(ctx, replace(GRANT, resumed=True))
    assert second.patterns == SEGMENTS[1:]
    assert second.blanked == SEGMENTS
    assert report.numbers["written_mb.SATA-0001"] == sum(segment.length for segment in SEGMENTS) / MIB


def test_an_attempt_that_is_granted_anew_starts_at_the_first_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ctx = writing(tmp_path)
    Recorder(monkeypatch)
    write(ctx)
    recorder = Recorder(monkeypatch)
    write(ctx)
    assert recorder.patterns == SEGMENTS


def test_a_write_of_nothing_is_not_passed(tmp_path: Path) -> None:
    report = write(writing(tmp_path), segments=[])
    assert [check.outcome for check in report.checks if check.name == verified_writes.CHECK] == [
        wire.Outcome.NOT_TESTED
    ]


# --- the read-only flag after a killed agent ----------------------------------------------------------------------


def test_every_disk_is_made_read_only_when_an_agent_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, bool]] = []
    for name in ("sda", "nvme0n1", "loop0"):
        (tmp_path / "sys/block" / name).mkdir(parents=True)
        (tmp_path / "sys/block" / name / "size").write_text("2048\n")
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/sda").touch()
    monkeypatch.setattr(
        diskio, "_set_read_only", lambda fd, flag: told.append((Path(os.readlink(f"/proc/self/fd/{fd}")).name, flag))
    )
    assert diskio.make_all_read_only(tmp_path) == ["nvme0n1: No such file or directory"]
    assert told == [("sda", True)]


def test_a_file_that_is_no_disk_is_refused_and_not_taken_for_locked(tmp_path: Path) -> None:
    (tmp_path / "sys/block/sda").mkdir(parents=True)
    (tmp_path / "sys/block/sda/size").write_text("2048\n")
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/sda").touch()
    assert len(diskio.make_all_read_only(tmp_path)) == 1


def test_a_drive_that_is_pulled_in_the_middle_of_a_write_keeps_what_was_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel may refuse to set the flag of a device that is gone. The other drives' results must not be lost."""

    def set_read_only(fd: int, read_only: bool) -> None:
        if read_only:
            raise OSError(errno.ENODEV, "No such device")

    seen = wire.Finding("storage.write_error", wire.Severity.CRITICAL, "disk", GRANT.serial, "write failed")
    monkeypatch.setattr(diskio, "_open", lambda grant, root: os.memfd_create("vetting-pulled"))
    monkeypatch.setattr(diskio, "_check_identity", lambda *given: None)
    monkeypatch.setattr(diskio, "_set_read_only", set_read_only)
    monkeypatch.setattr(verified_writes, "_segments", lambda *given: given[-1].findings.append(seen))
    ctx = writing(tmp_path)
    report = verified_writes._write(ctx, GRANT, ProgressBoard(ctx), Notes(ctx))
    assert report.findings == [seen]
    assert [check.reason for check in report.checks] == [
        f"{GRANT.name} ({GRANT.serial}) could not be made read-only again: No such device"
    ]


# --- the probe: silence is never blank ----------------------------------------------------------------------------


def probed(root: Path, size: int = 8 * MIB) -> set[str]:
    (root / "dev").mkdir()
    with (root / "dev/sda").open("wb") as file:
        file.truncate(size)
    return {one.kind for one in wipe_probe.probe("sda", EFFORT, root).found}


def test_holders_that_can_not_be_listed_are_a_refusal(tmp_path: Path) -> None:
    (tmp_path / "sys/block/sda").mkdir(parents=True)
    assert probed(tmp_path) == {"unreadable"}


def test_a_partition_that_can_not_be_read_is_a_refusal(tmp_path: Path) -> None:
    (tmp_path / "sys/block/sda/holders").mkdir(parents=True)
    (tmp_path / "sys/block/sda/sda1").mkdir()
    (tmp_path / "sys/block/sda/sda1/partition").write_text("1\n")
    assert probed(tmp_path) == {"unreadable"}


def test_a_disk_without_a_medium_is_not_blank(tmp_path: Path) -> None:
    (tmp_path / "sys/block/sda/holders").mkdir(parents=True)
    assert "unreadable" in probed(tmp_path, size=0)


def test_an_lvm_label_that_points_beyond_all_numbers_is_a_refusal_at_once(tmp_path: Path) -> None:
    (tmp_path / "sys/block/sda/holders").mkdir(parents=True)
    (tmp_path / "dev").mkdir()
    label = bytearray(512)
    label[:8] = b"LABELONE"
    struct.pack_into("<I", label, 20, 32)
    struct.pack_into("<QQQQ", label, 32 + 40, 0, 0, 2**64 - 512, 4096)
    with (tmp_path / "dev/sda").open("wb") as file:
        file.truncate(8 * MIB)
        file.seek(512)
        file.write(label)
    found = wipe_probe.probe("sda", EFFORT, tmp_path).found
    assert "unreadable" in {one.kind for one in found}
    assert not any("no answer within" in one.words for one in found)


# --- gate 4 -------------------------------------------------------------------------------------------------------


def test_a_disk_whose_wwn_is_expected_of_another_is_refused() -> None:
    for serial in ("", "SATA-0002"):
        other = wire.AllowedDisk(serial, DISK.wwn.removeprefix("0x").upper(), "", 0, False)
        decisions = about("SATA-0001", judge(allowed=[ALLOWED, other]))
        assert [one.gate for one in decisions if isinstance(one, wire.Refusal)] == [4]
        assert safety.grants(decisions) == []


@pytest.mark.parametrize("serial", ["11111111", "aaaa", "0123456789ABCDEF", "123456789012"])
def test_a_serial_number_that_bridges_and_clones_share_is_a_placeholder(serial: str) -> None:
    assert is_dummy(serial)
    decisions = judge(disks=[replace(DISK, serial=serial)], allowed=[replace(ALLOWED, serial=serial)])
    assert not any(isinstance(one, WriteGrant) for one in decisions)


@pytest.mark.parametrize("serial", ["QM00001", "S1", "WD-WCC4E1111111", "000000012345", "1112", "111"])
def test_a_serial_number_with_something_of_its_own_is_none(serial: str) -> None:
    assert not is_dummy(serial)


def test_the_world_of_these_tests_allows_a_write() -> None:
    assert safety.grants(judge(probes={"sda": BLANK}))


# --- hole P4 ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", ["gfs2", "ceph_bluestore", "zfs_member", "LVM2_member", "VMFS_volume_member", "new_in_2027"]
)
def test_hole_p4_whatever_a_tool_knows_to_be_on_a_disk_refuses_it(kind: str) -> None:
    """Ironic's burn-in takes every block device that it lists, asks no guard, and its guard looks at a column that it
    never asked lsblk for: customers lost volumes of their SAN. Here a kind need not be known to us to refuse."""
    listed = util_linux.parse_wipefs(f'{{"signatures": [{{"type": "{kind}", "label": "x"}}]}}')
    found = tuple(safety.Found("disk", one.kind, one.label, one.words) for one in listed)
    refusal = about("SATA-0001", judge(probes={"sda": WipeReport(found)}))[0]
    assert isinstance(refusal, wire.Refusal)
    assert (refusal.gate, len(refusal.signatures)) == (3, 1)


def test_hole_p4_a_disk_that_nobody_listed_is_written_by_nobody() -> None:
    """A volume of a SAN is seen like any other disk."""
    san = DiskFacts("sdc", "60060E80123", "0x60060e8012345678", "scsi", 1 << 20)
    decisions = judge(disks=[DISK, san], probes={"sda": BLANK, "sdc": BLANK})
    refusal = about("60060E80123", decisions)[0]
    assert isinstance(refusal, wire.Refusal)
    assert refusal.gate == 4
