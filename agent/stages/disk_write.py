"""Verified writes: the data for the safety decision, and the work on what it returned. Nothing here decides."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from agent import diskio, findings, safety, wipeprobe, wire
from agent.loads import fio
from agent.probes import disks
from agent.probes.parsing import ParseError
from agent.safety import DiskFacts, WipeReport, WriteGrant
from agent.shell import Completed
from agent.stage import StageContext
from agent.stages import checks, disk_speed
from agent.stages.board import Board
from agent.stages.disk_notes import Notes, Written
from agent.stages.part import Part
from agent.stages.surface import MIB, SECTOR_BYTES, Segment, plan
from agent.stop import StopFlag

CHECK, CHECK_SPEED = "verified_write", disk_speed.CHECK_WRITING
_NO_PACE = "fio does not say how fast it wrote"
_START_S = 60.0
_LEAST_RATE_BYTES_S = 4 * MIB
REHEARSAL_BYTES = 4 * MIB


@dataclass(frozen=True)
class Decided:
    """What the safety decision came to, with a check for each thing that is not written."""

    grants: list[WriteGrant] = field(default_factory=list)
    refusals: list[wire.Refusal] = field(default_factory=list)
    checks: list[wire.Check] = field(default_factory=list)


NOTHING = Decided()


def decide(ctx: StageContext, notes: Notes) -> Decided:
    """Gather what the decision needs, for all disks, and ask it. The probe only reads.

    Disks are looked at again after the probe, which can take minutes: one that came meanwhile may be the twin of a
    candidate, and one that changed was not the one probed."""
    candidates, _ = safety.before_probe(facts(), ctx.claim.disks, _circumstances(ctx))
    reports = _probed(ctx, candidates)
    seen = facts()
    probes = {disk.name: reports[disk] for disk in seen if disk in reports}
    decisions = safety.decide(seen, ctx.claim.disks, probes, _circumstances(ctx), ctx.overrides, notes.begun())
    for refusal in safety.refusals(decisions):
        ctx.log("warning", f"not written: {refusal.serial}: {refusal.reason}")
    return _decided(decisions)


def _probed(ctx: StageContext, candidates: list[DiskFacts]) -> dict[DiskFacts, WipeReport]:
    """All candidates at once."""
    effort = wipeprobe.Thoroughness(
        full_scan_bytes=int(checks.param(ctx, "wipe_full_scan_mb")) * MIB,
        samples=int(checks.param(ctx, "wipe_samples")),
        time_limit_s=float(checks.param(ctx, "wipe_probe_max_s")),
    )
    with ThreadPoolExecutor(max_workers=max(1, len(candidates)), thread_name_prefix="wipe-probe") as pool:
        reports = pool.map(lambda disk: wipeprobe.probe(disk.name, effort), candidates)
        return dict(zip(candidates, reports, strict=True))


def facts() -> list[DiskFacts]:
    """Every disk as sysfs shows it now, USB sticks included."""
    identities = [disks.identify(disks.BLOCK / name) for name in disks.names()]
    return [DiskFacts(d.name, d.serial, d.wwn, d.bus, d.size_bytes // MIB, d.removable) for d in identities]


def write_all(ctx: StageContext, decided: Decided, board: Board, notes: Notes) -> Part:
    """Every granted disk, side by side."""
    whole = Part()
    with ThreadPoolExecutor(max_workers=max(1, len(decided.grants)), thread_name_prefix="write") as pool:
        for part in pool.map(lambda grant: _write(ctx, grant, board, notes), decided.grants):
            whole.checks += part.checks
            whole.findings += part.findings
            whole.numbers |= part.numbers
            whole.evidence |= part.evidence
    return whole


def _circumstances(ctx: StageContext) -> safety.Circumstances:
    claim = ctx.claim
    return safety.Circumstances(
        mode=claim.mode,
        run=claim.run,
        boot=claim.boot,
        stage=ctx.order.name,
        attempt=ctx.order.attempt,
        stage_writes=ctx.order.writes,
        write_mode=claim.write_mode,
        destructive_allowed=claim.destructive_allowed,
        in_image=ctx.in_image,
        last_continue_age_s=ctx.last_continue_age_s(),
    )


def _decided(decisions: list[WriteGrant | wire.Refusal]) -> Decided:
    """A refusal by the gates 2, 3 and 5, or of a disk that should be written, is a check that was not made. That other
    disks are not on the allowlist is as it should be."""
    granted, refused = safety.grants(decisions), safety.refusals(decisions)
    waiting = [one for one in decisions if isinstance(one, WriteGrant) and one not in granted]
    made = [checks.not_tested(CHECK, one.serial, reason="another disk was refused by gate 3") for one in waiting]
    made += [checks.not_tested(CHECK, one.serial, reason=one.reason) for one in refused if one.gate != 4]
    if not granted and not made:
        made = [checks.not_tested(CHECK, reason=f"no disk may be written: {'; '.join(one.reason for one in refused)}")]
    return Decided(granted, refused, made)


def _write(ctx: StageContext, grant: WriteGrant, board: Board, notes: Notes) -> Part:
    """Write, read back, blank. The disk is read-only again whatever happens in between."""
    part = Part()
    if disks.zones(grant.name) == "host-managed":
        why = f"{grant.name}: host-managed zones take writes in their own order only"
        part.checks.append(checks.not_tested(CHECK, grant.serial, reason=why))
        return part
    segments = plan(
        grant.size_mb * MIB, int(checks.param(ctx, "write_max_mb")) * MIB, int(checks.param(ctx, "segment_mb")) * MIB
    )
    notes.keep_begun(grant, segments)
    ctx.log("warning", f"writing to {grant.name} ({grant.serial}): {sum(s.length for s in segments) // MIB} MiB")
    try:
        with diskio.writable(grant, ctx.last_continue_age_s) as fd:
            _segments(ctx, grant, fd, segments, board, notes, part)
    except diskio.NotWritten as error:
        part.checks.append(checks.not_tested(CHECK, grant.serial, reason=str(error)))
    board.tell(grant.serial, 100, "written and verified" if not part.findings else "failed")
    return part


def _segments(
    ctx: StageContext, grant: WriteGrant, fd: int, segments: list[Segment], board: Board, notes: Notes, part: Part
) -> None:
    done, touched = notes.written(grant), len(segments) if grant.resumed else 0
    for number, segment in enumerate(segments[done.segments :], start=done.segments):
        board.tell(grant.serial, 100.0 * number / len(segments), "writing and verifying")
        if not _answered(ctx):
            part.checks.append(checks.not_tested(CHECK, grant.serial, reason=f"{grant.name}: {ctx.stop.reason}"))
            break
        touched = max(touched, number + 1)
        job, trouble, bad = _verify(ctx, fd, segment)
        if bad:
            part.findings.append(_wrong(grant.name, grant.serial, bad[0]))
            break
        if trouble:
            part.checks.append(checks.not_tested(CHECK, grant.serial, reason=f"{grant.name}: {trouble}"))
            break
        seconds = segment.length / job.write_bytes_s if job and job.write_bytes_s else 0.0
        if not seconds:
            part.checks.append(checks.not_tested(CHECK_SPEED, grant.serial, reason=f"{grant.name}: {_NO_PACE}"))
        done = Written(number + 1, done.amount + segment.length, done.seconds + seconds)
        notes.keep_written(grant.serial, done)
    _blank(ctx, grant, fd, segments[:touched], part)
    _told(ctx, grant, done, part)


def _answered(ctx: StageContext) -> bool:
    """Gate 5 before each segment: while the orchestrator is silent nothing more is overwritten, since a run that was
    cancelled meanwhile could not be told so. Waits until it answers; False when the stage is stopped instead."""
    while not ctx.stop.is_set() and not safety.still_fresh(ctx.last_continue_age_s()):
        ctx.stop.wait(1.0)
    return not ctx.stop.is_set()


def _told(ctx: StageContext, grant: WriteGrant, done: Written, part: Part) -> None:
    part.numbers[f"written_mb.{grant.serial}"] = done.amount / MIB
    if not part.findings and not _is_told(part) and not done.amount:
        part.checks.append(checks.not_tested(CHECK, grant.serial, reason=f"{grant.name}: nothing was to be written"))
    if part.findings or not _is_told(part):
        reason = f"{done.amount // MIB} MiB verified"
        part.checks.append(checks.judged(CHECK, part.findings, grant.serial, reason=reason))
    if done.seconds and not any(check.name == CHECK_SPEED for check in part.checks):
        disk_speed.judge_writing(ctx, _inventoried(ctx, grant), done.amount / done.seconds / 1e6, part)


def _is_told(part: Part) -> bool:
    return any(check.name == CHECK for check in part.checks)


def _inventoried(ctx: StageContext, grant: WriteGrant) -> wire.Disk:
    found = [disk for disk in checks.fixed_disks(ctx.inventory) if disk.serial == grant.serial]
    return found[0] if found else wire.Disk(grant.name, grant.serial, grant.wwn, grant.bus, grant.size_mb)


def _verify(ctx: StageContext, fd: int, segment: Segment) -> tuple[fio.Job | None, str, list[fio.BadRange]]:
    """One segment, as `_verified` says it."""
    done = _fio(ctx, fd, fio.verify_argv(f"/proc/self/fd/{fd}", segment.offset, segment.length), 2 * segment.length)
    return _verified(done, segment)


def _verified(done: Completed, segment: Segment) -> tuple[fio.Job | None, str, list[fio.BadRange]]:
    """The job, why it proves nothing ('' when it does), and what was wrong with the disk."""
    text = done.stderr + done.stdout
    bad = fio.verify_errors(text) + fio.io_errors(text)
    try:
        job = fio.parse(done.stdout)
    except ParseError as error:
        return None, done.trouble or str(error), bad
    if not bad and job.error == fio.VERIFY_ERRNO:
        bad = [fio.BadRange(segment.offset, segment.length, "verify")]
    if not bad and (job.error or not done.ok):
        return job, done.trouble or f"fio reports error {job.error}", []
    if not bad and not job.read_bytes == job.written_bytes == segment.length:
        why = f"{job.written_bytes} bytes written, {job.read_bytes} read back, {segment.length} wanted"
        return job, why, []
    return job, "", bad


def _blank(ctx: StageContext, grant: WriteGrant, fd: int, segments: list[Segment], part: Part) -> None:
    """Leave zeros where the patterns were, so that the next probe finds a blank disk and not data of unknown kind."""
    for segment in segments:
        argv = fio.blank_argv(f"/proc/self/fd/{fd}", segment.offset, segment.length)
        done = _fio(ctx, fd, argv, segment.length)
        if not done.ok:
            part.evidence[f"blank.{grant.serial}"] = f"{grant.name}: test patterns were left behind: {done.trouble}"
            ctx.log("warning", part.evidence[f"blank.{grant.serial}"])
            return


def _fio(ctx: StageContext, fd: int, argv: list[str], amount: int) -> Any:
    return fio.run(argv, amount / _LEAST_RATE_BYTES_S + _START_S, stop=ctx.stop, pass_fds=(fd,))


def rehearsed(corrupt: bool, stop: StopFlag) -> Part:
    """The verified write on a file in memory, no disk anywhere near; `corrupt` flips one bit of it between writing and
    reading back. For the test of the tester."""
    segment = Segment(0, REHEARSAL_BYTES)
    fd = os.memfd_create("vetting-rehearsal")
    try:
        os.truncate(fd, segment.length)
        argv = fio.verify_argv(f"/proc/self/fd/{fd}", segment.offset, segment.length)
        done = fio.run(fio.in_memory(argv, only_read_back=False), _START_S, stop=stop, pass_fds=(fd,))
        if corrupt and done.ok:
            at = segment.length // 2 + SECTOR_BYTES
            os.pwrite(fd, bytes([os.pread(fd, 1, at)[0] ^ 1]), at)
            done = fio.run(fio.in_memory(argv, only_read_back=True), _START_S, stop=stop, pass_fds=(fd,))
    finally:
        os.close(fd)
    return judge(done, segment, "memory")


def judge(done: Completed, segment: Segment, name: str) -> Part:
    """The verified write of one segment by itself."""
    _, trouble, bad = _verified(done, segment)
    found = [_wrong(name, name, bad[0])] if bad else []
    if trouble and not bad:
        return Part([checks.not_tested(CHECK, name, reason=trouble)])
    return Part([checks.judged(CHECK, found, name)], found)


def _wrong(device: str, serial: str, bad: fio.BadRange) -> wire.Finding:
    lba = bad.offset // SECTOR_BYTES
    if bad.kind == "verify":
        message = (
            f"{device}: other data came back than was written, at LBA {lba} ({bad.length // SECTOR_BYTES} sectors)"
        )
        return findings.make("storage.corruption", "disk", serial, message, value=float(lba), unit="LBA")
    code = "storage.write_error" if bad.kind == "write" else "storage.read_error"
    message = f"{device}: {bad.kind} failed at LBA {lba}: {bad.words}"
    return findings.make(code, "disk", serial, message, value=float(lba), unit="LBA")
