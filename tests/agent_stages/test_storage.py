"""Surface and speed: how much of a disk is really read, and what a fio that reads less, or slowly, comes to."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from agent.contract import wire
from agent.disk_writes.disk_notes import Notes
from agent.exercises import disk_speed
from agent.exercises.surface import MIB, Segment, Surface, plan, read
from agent.host.shell import Completed
from agent.host.stop import StopFlag
from agent.loads import fio
from agent.probes.drives import disks
from agent.reports.progress import ProgressBoard
from agent.stage import StageReport
from agent.stage_functions import STAGES
from agent.stages.storage import stage as storage
from tests.agent_stages.contexts import INVENTORY, context

needs_fio = pytest.mark.skipif(not shutil.which("fio"), reason="fio is not installed: apt-get install fio")
TIB = 1 << 40


def check(report: StageReport, name: str) -> wire.Check:
    return next(check for check in report.checks if check.name == name)


def job(name: str, **read: Any) -> dict[str, Any]:
    """One that read; its numbers, where no other is given, are those of a very fast disk."""
    usual = {"io_bytes": 0, "runtime": 1000, "bw_bytes": 9e9, "iops": 9e6, "clat_ns": {"max": 1}}
    return {"jobname": name, "error": 0, "read": {**usual, **read}}


def storage_with(
    fio_says: dict[str, Any], directory: Path, monkeypatch: pytest.MonkeyPatch, **params: Any
) -> StageReport:
    """The Storage stage on a disk of 256 MiB with a fio that always says this and ends with 0."""
    script = directory / "fio"
    script.write_text(f"#!/bin/sh\ncat <<'X'\n{json.dumps(fio_says)}\nX\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")
    return STAGES["Storage"](context("Storage", directory, params={"speed_s": 1, **params}))


# --- the surface --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 512, MIB - 512, MIB, 300 * MIB + 512, 300 * MIB])
@pytest.mark.parametrize("sample", [0, 64 * MIB])
def test_the_last_sector_is_always_in_the_plan(size: int, sample: int) -> None:
    segments = plan(size, sample, 16 * MIB)
    assert max(segment.offset + segment.length for segment in segments) == size


@pytest.mark.parametrize(("sample", "segment"), [(8192 * MIB, 512 * MIB), (4 * TIB, 4096 * MIB)])
def test_a_sample_of_any_large_disk_ends_where_the_disk_ends(sample: int, segment: int) -> None:
    """Steps in fractions were rounded: of 1 in 100 sizes, 65,167,376 MiB for example, the last MiB was not read."""
    sizes = [65_167_376 * MIB, *(number * 1_000_003 * MIB for number in range(5, 125))]
    ends = {size: max(one.offset + one.length for one in plan(size, sample, segment)) for size in sizes}
    assert {size: end for size, end in ends.items() if end != size} == {}


@pytest.mark.parametrize("size", [512, MIB + 512, 100 * MIB + 3 * 512])
def test_a_whole_disk_is_planned_without_gap_or_overlap(size: int) -> None:
    segments = sorted(plan(size, 0, 16 * MIB), key=lambda segment: segment.offset)
    starts = [0, *(segment.offset + segment.length for segment in segments)]
    assert starts[:-1] == [segment.offset for segment in segments]
    assert starts[-1] == size


@pytest.mark.parametrize("sample", [0, 1000 * MIB])
@pytest.mark.parametrize("share", [0.02, 0.25, 0.5])
def test_what_was_read_lies_all_over_the_disk_however_early_the_time_is_over(sample: int, share: float) -> None:
    """A slow disk is the suspicious one: of it not only the beginning is looked at."""
    size = 10_000 * MIB
    segments = plan(size, sample, 10 * MIB)
    read = segments[: max(3, int(len(segments) * share))]
    starts = sorted(segment.offset for segment in read)
    assert (starts[0], starts[-1]) == (0, max(segment.offset for segment in segments))
    assert max(after - before for before, after in pairwise(starts)) <= 3 * size / len(read)


@needs_fio
def test_the_real_fio_reads_to_the_last_sector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for 3 MiB and 1.5 KiB in blocks of 1 MiB, it reads 3 MiB and ends with 0."""
    size = 3 * MIB + 3 * 512
    image = tmp_path / "disk"
    image.write_bytes(bytes(size))
    surface = Surface()
    path = os.path.relpath(image, "/dev")
    segments = plan(size, 0, 2 * MIB)
    read(path, segments, surface, time_limit_s=60, bad_max=1, stop=StopFlag(), told=lambda now, number: None)
    assert (surface.trouble, surface.read_bytes) == ("", size)


@needs_fio
def test_hole_p6_a_disk_of_more_than_16_tib_is_read_to_its_end(tmp_path: Path) -> None:
    """badblocks counts blocks in 32 bits: with 4096 bytes each it fails from 16 TiB on. Offsets here are bytes."""
    directory = Path("/dev/shm")
    image = directory / f"vetting-sparse-{os.getpid()}"
    surface, size = Surface(), 20 * TIB
    try:
        with image.open("wb") as file:
            file.truncate(size)
        last = max(plan(size, 64 * MIB, 16 * MIB), key=lambda segment: segment.offset)
        assert last == Segment(size - 16 * MIB, 16 * MIB)
        name = os.path.relpath(image, "/dev")
        read(name, [last], surface, time_limit_s=60, bad_max=1, stop=StopFlag(), told=lambda now, number: None)
    except OSError as error:
        pytest.skip(f"/dev/shm takes no sparse file of 20 TiB: {error}")
    finally:
        image.unlink(missing_ok=True)
    if "Invalid argument" in surface.trouble:
        pytest.skip("this kernel's tmpfs can't be read past the cache")
    assert (surface.trouble, surface.read_bytes) == ("", 16 * MIB)


def test_a_fio_that_reads_little_and_says_nothing_passes_no_surface(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = storage_with({"jobs": [job("surface", io_bytes=4096)]}, tmp_path, monkeypatch)
    assert check(report, "surface").outcome is wire.Outcome.NOT_TESTED
    assert "4096 of 268435456 bytes" in check(report, "surface").reason


def test_a_surface_that_ends_in_trouble_is_not_tested_however_far_it_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    says = {"jobs": [{**job("surface", io_bytes=256 * MIB), "error": 19}]}
    report = storage_with(says, tmp_path, monkeypatch, segment_mb=256)
    assert check(report, "surface").outcome is wire.Outcome.NOT_TESTED


def test_a_surface_read_in_part_within_its_time_says_how_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    says = {"jobs": [job("surface", io_bytes=128 * MIB)]}
    report = storage_with(says, tmp_path, monkeypatch, segment_mb=128, surface_max_s=0)
    assert check(report, "surface").outcome is wire.Outcome.NOT_TESTED
    assert "0 of 256 MiB read: 0 s were over" in check(report, "surface").reason


def test_a_disk_that_needs_seconds_for_a_read_is_told_though_it_read_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    says = {"jobs": [job("surface", io_bytes=256 * MIB, clat_ns={"max": 7_200_000_000})]}
    report = storage_with(says, tmp_path, monkeypatch, segment_mb=256)
    assert check(report, "surface").outcome is wire.Outcome.PASSED
    assert [(one.code, one.severity, one.value) for one in report.findings] == [
        ("storage.hesitates", wire.Severity.WARNING, 7200.0)
    ]


def test_a_restarted_agent_reads_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ctx = context("Storage", tmp_path, params={"speed_s": 1, "segment_mb": 128})
    Notes(ctx).keep_surface("S1", 1, Surface(128 * MIB, 1.0, slowest_ms=6000.0, slowest_at=512))
    read_now: list[int] = []
    monkeypatch.setattr(storage, "read", lambda name, segments, *given, **more: read_now.extend(
        segment.offset for segment in segments))  # fmt: skip
    report = STAGES["Storage"](ctx)
    assert read_now == [128 * MIB]
    assert report.numbers["surface_mb.S1"] == 128
    assert [finding.code for finding in report.findings] == ["storage.hesitates"]


# --- speed --------------------------------------------------------------------------------------------------------


def test_hole_p5_sequential_speed_is_asked_in_large_blocks_with_latency_and_has_a_floor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MAAS times sequential reads in blocks of 512 or 4096 bytes, without latency, and compares with nothing."""
    argv = fio.speed_argv({"/dev/sda": 1 << 30}, 3)
    assert argv[argv.index("--rw=read") + 1] == "--bs=1M"
    assert not any("gtod_reduce" in word for word in argv)
    p99 = {"clat_ns": {"percentile": {"99.000000": 9_000_000}}}
    device = "/dev/vetting-no-such-disk"
    slow = [
        job(f"sequential {device}", io_bytes=MIB, bw_bytes=9_000_000),
        job(f"random {device}", io_bytes=MIB, iops=500_000.0, **p99),
    ]
    report = storage_with({"jobs": slow}, tmp_path, monkeypatch)
    assert [finding.code for finding in report.findings] == ["storage.slow"]
    assert report.numbers["rand_read_p99_ms.S1"] == 9.0


@pytest.mark.parametrize(("iops", "codes"), [(9_000.0, []), (40.0, ["storage.slow_random"])])
def test_few_random_reads_a_second_are_blamed_on_the_disk(
    iops: float, codes: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = speeds(tmp_path, monkeypatch, job("sequential", io_bytes=MIB), job("random", io_bytes=MIB, iops=iops))
    assert [(finding.code, finding.component) for finding in report.findings] == [(code, "S1") for code in codes]
    outcome = wire.Outcome.FAILED if codes else wire.Outcome.PASSED
    assert check(report, "random_speed").outcome is outcome


def speeds(directory: Path, monkeypatch: pytest.MonkeyPatch, *jobs: dict[str, Any]) -> StageReport:
    device = "/dev/vetting-no-such-disk"
    named = [{**one, "jobname": f"{one['jobname']} {device}"} for one in jobs]
    return storage_with({"jobs": named}, directory, monkeypatch)


def test_every_disk_is_measured_twice_once_in_each_order_after_a_warm_up() -> None:
    argv = fio.speed_argv({"/dev/sda": 1 << 30, "/dev/sdb": 1 << 30}, 3)
    assert [word.removeprefix("--name=") for word in argv if word.startswith("--name=")] == [
        "sequential /dev/sda", "random /dev/sda", "sequential /dev/sdb", "random /dev/sdb",
        "sequential again /dev/sdb", "sequential again /dev/sda",
    ]  # fmt: skip
    assert argv.count("--ramp_time=750ms") == argv.count("--rw=read") == 4
    assert argv.count("--runtime=1500ms") == argv.count("--stonewall") == 6


@pytest.mark.parametrize(("first", "again"), [(1_271e6, 1_516e6), (1_516e6, 1_271e6)])
def test_the_better_of_two_rounds_is_the_disks_pace(
    first: float, again: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [job("sequential", io_bytes=MIB, bw_bytes=first), job("sequential again", io_bytes=MIB, bw_bytes=again)]
    assert speeds(tmp_path, monkeypatch, *jobs).numbers["seq_read_mb_s.S1"] == 1516


@pytest.mark.parametrize("again", [{"error": 5}, {"read": {"io_bytes": 0}}])
def test_a_round_that_failed_is_not_made_good_by_the_other(
    again: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = job("sequential", io_bytes=MIB, bw_bytes=9e8)
    report = speeds(tmp_path, monkeypatch, good, {**job("sequential again", io_bytes=MIB, bw_bytes=9e8), **again})
    assert check(report, "sequential_speed").outcome is wire.Outcome.NOT_TESTED
    assert "seq_read_mb_s.S1" not in report.numbers


def speeds_of(
    rates: list[dict[str, float]], present: list[wire.Disk], directory: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[dict[str, float], list[set[str]]]:
    """The speeds of these disks, and which of them each run of fio had. `rates` are bytes per second by the disk's
    serial: those of the first run, of the second and so on."""
    names = {disk.name: disk.serial for disk in present}
    asked: list[set[str]] = []

    def fio_run(argv: list[str], *_: object, **__: object) -> Completed:
        jobs = {word.removeprefix("--name="): names[word.rpartition("/")[2]] for word in argv if "--name=" in word}
        rows = [job(name, io_bytes=MIB, bw_bytes=rates[len(asked)][serial]) for name, serial in jobs.items()]
        asked.append(set(jobs.values()))
        return Completed(argv, 0, stdout=json.dumps({"jobs": rows}))

    monkeypatch.setattr(disk_speed.fio, "run", fio_run)
    ctx = context("Storage", directory, params={"speed_s": 1})
    return disk_speed.measure(ctx, present, ProgressBoard(ctx)).numbers, asked


EQUAL = [wire.Disk(f"vetting-no-{n}", f"S{n}", "", "sata", 256, model="ACME SATA") for n in range(4)]


@pytest.mark.parametrize(
    ("later", "pace"),
    [([1_800e6], 1800), ([1_200e6, 1_700e6], 1700), ([900e6, 800e6, 900e6], 900)],
    ids=["the host was busy for a moment", "and for longer", "the disk is slow"],
)
def test_a_disk_that_is_behind_others_of_its_model_is_measured_again(
    later: list[float], pace: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = [{"S0": 1_850e6, "S1": 1_860e6, "S2": 850e6, "S3": 1_700e6}, *({"S2": rate} for rate in later)]
    numbers, asked = speeds_of(rates, EQUAL, tmp_path, monkeypatch)
    assert numbers["seq_read_mb_s.S2"] == pace
    assert asked == [{"S0", "S1", "S2", "S3"}, *({"S2"} for _ in later)]


def test_with_fewer_than_three_others_of_its_model_no_disk_is_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    present = [*EQUAL[:3], wire.Disk("vetting-no-9", "S9", "", "nvme", 256, model="ACME NVMe")]
    rates = [{"S0": 500e6, "S1": 900e6, "S2": 900e6, "S9": 100e6}]
    _, asked = speeds_of(rates, present, tmp_path, monkeypatch)
    assert len(asked) == 1


def test_slow_writing_is_judged_by_the_kind_of_drive(tmp_path: Path) -> None:
    from agent.reports.partial_report import PartialReport

    ctx, report = context("Storage", tmp_path), PartialReport()
    for bus, serial in (("nvme", "N"), ("virtio", "V")):
        disk_speed.judge_writing(ctx, wire.Disk("vetting-no-such-disk", serial, "", bus, 256), 5.0, report)
    assert [(finding.code, finding.component) for finding in report.findings] == [("storage.slow_writing", "N")]


@pytest.mark.parametrize(
    ("place", "zoned", "discard", "rotational", "expected"),
    [
        ("pci0/ata1/host0/block/sda", "host-managed", "0", "1", "host-managed"),
        ("pci0/ata1/host0/block/sda", "none", "0", "1", ""),
        ("pci0/ata1/host0/block/sda", "none", "1024", "1", "drive-managed"),
        ("pci0/ata1/host0/block/sda", "none", "1024", "0", ""),
        ("pci0/nvme/nvme0/sda", "none", "1024", "0", ""),
    ],
)
def test_overlapping_tracks_are_told_from_sysfs(
    tmp_path: Path, place: str, zoned: str, discard: str, rotational: str, expected: str
) -> None:
    block = tmp_path / "sys/devices" / place
    (block / "queue").mkdir(parents=True)
    for name, value in (("zoned", zoned), ("discard_max_bytes", discard), ("rotational", rotational)):
        (block / "queue" / name).write_text(value)
    (tmp_path / "sys/block").mkdir()
    (tmp_path / "sys/block/sda").symlink_to(block)
    assert disks.zones("sda", tmp_path) == expected


@pytest.mark.parametrize("stage", ["SMART", "Storage"])
def test_an_expected_disk_on_usb_is_shown_as_what_no_stage_tests(stage: str, tmp_path: Path) -> None:
    stick = wire.Disk("sdz", "STICK-1", "", "usb", 32)
    inventory = replace(INVENTORY, disks=[stick])
    for wanted, shown in (([], []), ([{"serial": "STICK-1", "bus": "usb"}], ["STICK-1"])):
        ctx = context(stage, tmp_path, inventory=inventory, expected={"disks": wanted}, required=["health"])
        report = STAGES[stage](ctx)
        told = [check for check in report.checks if check.name == "usb_disk"]
        assert [check.component for check in told] == shown
        assert all(check.outcome is wire.Outcome.NOT_TESTED for check in told)
