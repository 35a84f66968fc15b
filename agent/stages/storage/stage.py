"""Storage: every disk's surface and speed, and verified writes if all five gates allow them.

It first waits for the drives' own self-tests, if SMART left them running. Then it reads all disks at once, measures the
speed of one disk at a time so that they do not compete, and writes last. With `storage.mode: read` nothing here opens a
disk for writing, and the image keeps all disks read-only.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from agent.contract import wire
from agent.disk_writes import verified_writes
from agent.disk_writes.disk_notes import Notes
from agent.exercises import disk_speed, drive_self_tests
from agent.exercises.surface import MIB, Segment, Surface, hesitating, plan, read, unreadable
from agent.probes.drives import disks
from agent.reports import checks
from agent.reports.partial_report import PartialReport, joined
from agent.reports.progress import ProgressBoard
from agent.stage import StageContext, StageReport
from agent.stages.storage import awaited_self_tests, left_patterns
from agent.stages.storage.more_time import MoreTime
from agent.stages.storage.spec import Limits, Params

TOPIC = "storage"


def run(ctx: StageContext) -> StageReport:
    ctx.check_values(Params, Limits)
    began = time.monotonic()
    fixed = checks.fixed_disks(ctx.inventory)
    if not fixed:
        absent = [checks.not_tested(name, reason="no disk was found", topic=TOPIC) for name in ctx.order.required]
        return checks.report(ctx, [*absent, *checks.on_usb(ctx)])
    board, memory = ProgressBoard(ctx), Notes(ctx)
    exchanged = checks.exchanged(fixed, "surface")
    fixed = [disk for disk in fixed if disk.name not in exchanged]
    tested = awaited_self_tests.await_self_tests(ctx, fixed, board) if drive_self_tests.in_background(ctx.claim) else []
    more = MoreTime(ctx, fixed, began)
    with ThreadPoolExecutor(max_workers=max(1, len(fixed)), thread_name_prefix="surface") as pool:
        reports = [*tested, *pool.map(lambda disk: _surface(ctx, disk, board, memory, more), fixed)]
    speeds = disk_speed.measure(ctx, fixed, board) if fixed else PartialReport()
    reports += [PartialReport([*exchanged.values()]), speeds]
    decided = verified_writes.NOTHING
    if ctx.order.writes and not ctx.stop.is_set():
        # Decided only now: reading can take hours, and the result of an earlier probe may no longer be true.
        decided = verified_writes.decide(ctx, memory)
        reports.append(verified_writes.write_all(ctx, decided, board, memory))
    if ctx.order.writes:
        reports += [verified_writes.failures(memory), left_patterns.warnings(ctx, memory)]
    return _report(ctx, joined(reports), decided)


def _report(ctx: StageContext, whole: PartialReport, decided: verified_writes.Decided) -> StageReport:
    return checks.report(
        ctx,
        [*whole.checks, *decided.checks, *checks.on_usb(ctx)],
        findings=whole.findings,
        also_required=[
            *([verified_writes.CHECK] if ctx.order.writes else []),
            *[check.name for check in whole.checks if check.name == drive_self_tests.CHECK][:1],
        ],
        numbers=whole.numbers,
        refusals=decided.refusals,
        evidence=whole.evidence,
    )


def _surface(ctx: StageContext, disk: wire.Disk, board: ProgressBoard, memory: Notes, more: MoreTime) -> PartialReport:
    name, report, size = checks.disk_name(disk), PartialReport(), size_bytes(disk)
    params = ctx.params(Params)
    segments = plan(size, params.sample_max_mb * MIB, params.segment_mb * MIB)
    done, surface = memory.surface(name)

    def told(now: Surface, number: int) -> None:
        more.note(disk.name, now)
        memory.keep_surface(name, done + number, now)
        board.tell(name, 100.0 * (done + number) / len(segments), f"reading, {now.rate_mb_s:.0f} MB/s")

    read(
        disk.name, segments[done:], surface,
        time_limit_s=params.surface_max_s,
        bad_max=params.bad_sectors_give_up,
        stop=ctx.stop,
        told=told,
        reads_on=lambda: more.has(disk.name, planned_bytes(segments), surface),
    )  # fmt: skip
    judge(ctx, disk, size, segments, surface, report)
    board.tell(name, 100, "surface read")
    return report


def planned_bytes(segments: list[Segment]) -> int:
    return sum(segment.length for segment in segments)


def size_bytes(disk: wire.Disk) -> int:
    """The exact size: the inventory only has whole MiB."""
    return disks.identify(disks.BLOCK / disk.name).size_bytes or disk.size_mb * MIB


def judge(
    ctx: StageContext, disk: wire.Disk, size: int, segments: list[Segment], surface: Surface, report: PartialReport
) -> None:
    """Add the check `surface`, findings and numbers of a disk that was read. `size` is in bytes."""
    name, limits = checks.disk_name(disk), ctx.limits(Limits)
    report.numbers |= {
        f"surface_mb.{name}": surface.read_bytes / MIB,
        f"surface_percent.{name}": 100.0 * surface.read_bytes / size if size else 0.0,
        f"surface_mb_s.{name}": surface.rate_mb_s,
        f"slowest_read_ms.{name}": surface.slowest_ms,
    }
    report.findings += hesitating(disk.name, name, surface, limits.slowest_read_max_ms)
    planned = planned_bytes(segments)
    words = f"{surface.read_bytes // MIB} of {size // MIB} MiB read"
    enough = surface.is_enough(planned, limits.surface_min_percent)
    if surface.bad:
        report.findings.append(unreadable(disk.name, name, surface.bad))
        report.checks.append(checks.judged("surface", report.findings, name))
    elif not enough or (surface.trouble and not surface.time_over):
        why = surface.trouble or f"{planned // MIB} MiB were to be read"
        report.checks.append(checks.not_tested("surface", name, reason=f"{disk.name}: {words}: {why}"))
    else:
        report.checks.append(checks.passed("surface", name, reason=f"{words} {surface.trouble}".strip()))
