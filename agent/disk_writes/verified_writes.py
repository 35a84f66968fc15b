"""Verified writes: collects the data for the safety decision, and does the granted work. Nothing here decides."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from agent import findings
from agent.contract import wire
from agent.disk_writes import diskio, safety, silence, wipe_probe
from agent.disk_writes.disk_notes import Notes, State, Written
from agent.disk_writes.safety import DiskFacts, WipeReport, WriteGrant
from agent.exercises import disk_speed
from agent.exercises.surface import MIB, SECTOR_BYTES, Segment, plan
from agent.host.shell import Completed
from agent.host.stop import StopFlag
from agent.loads import fio
from agent.parsing import ParseError
from agent.probes.drives import disks
from agent.reports import checks
from agent.reports.partial_report import PartialReport, joined
from agent.reports.progress import ProgressBoard
from agent.stage import StageContext
from agent.stages.storage.spec import Params

CHECK, CHECK_SPEED = "verified_write", disk_speed.CHECK_WRITING
_NO_PACE = "fio does not say how fast it wrote"
_START_S = 60.0
_MIN_RATE_BYTES_S = 4 * MIB
_TRIES = 5  # of one command, each ended because the orchestrator was silent
REHEARSAL_BYTES = 4 * MIB


@dataclass(frozen=True)
class Decided:
    """The result of the safety decision, with a check for each disk that is not written."""

    grants: list[WriteGrant] = field(default_factory=list)
    refusals: list[wire.Refusal] = field(default_factory=list)
    checks: list[wire.Check] = field(default_factory=list)


NOTHING = Decided()


def decide(ctx: StageContext, notes: Notes) -> Decided:
    """Collect the data for all disks and ask for the decision. The probe only reads.

    The disks are listed again after the probe, which can take minutes. A disk that appeared meanwhile may have the same
    serial number as a candidate, and a disk that changed is not the one that was probed.
    """
    candidates, _ = safety.before_probe(facts(), ctx.claim.disks, _circumstances(ctx))
    reports = _probed(ctx, candidates)
    seen = facts()
    probes = {disk.name: reports[disk] for disk in seen if disk in reports}
    decisions = safety.decide(seen, ctx.claim.disks, probes, _circumstances(ctx), ctx.overrides, notes.begun())
    for refusal in safety.refusals(decisions):
        ctx.log("warning", f"not written: {refusal.serial}: {refusal.reason}")
    return _decided(decisions)


def _probed(ctx: StageContext, candidates: list[DiskFacts]) -> dict[DiskFacts, WipeReport]:
    """Probe all candidates at once."""
    params = ctx.params(Params)
    effort = wipe_probe.Thoroughness(
        full_scan_bytes=params.wipe_full_scan_mb * MIB,
        samples=params.wipe_samples,
        time_limit_s=params.wipe_probe_max_s,
    )
    with ThreadPoolExecutor(max_workers=max(1, len(candidates)), thread_name_prefix="wipe-probe") as pool:
        reports = pool.map(lambda disk: wipe_probe.probe(disk.name, effort), candidates)
        return dict(zip(candidates, reports, strict=True))


def facts() -> list[DiskFacts]:
    """Every disk as sysfs shows it now, USB sticks included."""
    identities = [disks.identify(disks.BLOCK / name) for name in disks.names()]
    return [DiskFacts(d.name, d.serial, d.wwn, d.bus, d.size_bytes // MIB, d.removable) for d in identities]


def write_all(ctx: StageContext, decided: Decided, board: ProgressBoard, notes: Notes) -> PartialReport:
    """Write every granted disk, all in parallel."""
    with ThreadPoolExecutor(max_workers=max(1, len(decided.grants)), thread_name_prefix="write") as pool:
        return joined(pool.map(lambda grant: _write(ctx, grant, board, notes), decided.grants))


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
    """A refusal by gate 2, 3 or 5 becomes a check that is not tested, and so does any refusal of a disk that should be
    written. Other disks are normally not on the allowlist, so their refusal makes no check."""
    granted, refused = safety.grants(decisions), safety.refusals(decisions)
    waiting = [one for one in decisions if isinstance(one, WriteGrant) and one not in granted]
    made = [checks.not_tested(CHECK, one.serial, reason="another disk was refused by gate 3") for one in waiting]
    made += [
        checks.not_tested(CHECK, one.serial, reason=one.reason) for one in refused if one.gate != wire.Gate.DEVICES
    ]
    if not granted and not made:
        made = [checks.not_tested(CHECK, reason=f"no disk may be written: {'; '.join(one.reason for one in refused)}")]
    return Decided(granted, refused, made)


def _write(ctx: StageContext, grant: WriteGrant, board: ProgressBoard, notes: Notes) -> PartialReport:
    """Write, read back, blank. The disk is read-only again afterwards, whatever happens."""
    report = PartialReport()
    if disks.zones(grant.name) == "host-managed":
        why = f"{grant.name}: host-managed zones take writes in their own order only"
        report.checks.append(checks.not_tested(CHECK, grant.serial, reason=why))
        return report
    params = ctx.params(Params)
    segments = plan(grant.size_mb * MIB, params.write_max_mb * MIB, params.segment_mb * MIB)
    segments = notes.keep_begun(grant, segments)
    ctx.log("warning", f"writing to {grant.name} ({grant.serial}): {sum(s.length for s in segments) // MIB} MiB")
    try:
        with diskio.writable(grant, ctx.last_continue_age_s) as fd:
            _segments(ctx, grant, fd, segments, board, notes, report)
    except diskio.NotWritten as error:
        report.checks.append(checks.not_tested(CHECK, grant.serial, reason=str(error)))
    board.tell(grant.serial, 100, "writing is over")
    return report


def _segments(
    ctx: StageContext,
    grant: WriteGrant,
    fd: int,
    segments: list[Segment],
    board: ProgressBoard,
    notes: Notes,
    report: PartialReport,
) -> None:
    """The notes hold what an earlier agent of this attempt did. A segment that it verified is not written again, and a
    disk that failed stays failed."""
    done = notes.written(grant)
    for number, segment in enumerate(segments):
        board.tell(grant.serial, 100.0 * number / len(segments), "writing and verifying")
        if done.bad or (segment not in done.verified and not _overwrite(ctx, grant, fd, segment, done, notes, report)):
            break
    _blank(ctx, grant, fd, done, notes, report)
    _told(ctx, grant, segments, done, report)


def _overwrite(
    ctx: StageContext, grant: WriteGrant, fd: int, segment: Segment, done: Written, notes: Notes, report: PartialReport
) -> bool:
    """Write patterns over one segment and read them back. It is noted before and after. Returns False when no other
    segment may be written."""
    if not silence.is_over(ctx):
        report.checks.append(checks.not_tested(CHECK, grant.serial, reason=f"{grant.name}: {ctx.stop.reason}"))
        return False
    done.begin(segment)
    notes.keep_written(grant, done)
    job, trouble, bad = _verify(ctx, fd, segment)
    if job and job.written_bytes == segment.length:
        done.states[segment] = State.WRITTEN
    done.bad = bad[0] if bad else None
    if trouble and not bad:
        report.checks.append(checks.not_tested(CHECK, grant.serial, reason=f"{grant.name}: {trouble}"))
    elif job and not bad:
        done.verified[segment] = segment.length / job.write_bytes_s if job.write_bytes_s else 0.0
    notes.keep_written(grant, done)
    return segment in done.verified


def _told(ctx: StageContext, grant: WriteGrant, segments: list[Segment], done: Written, report: PartialReport) -> None:
    """Add the speed and the checks of a disk. `failures` adds its faults, from the notes."""
    verified, wanted = done.amount // MIB, sum(segment.length for segment in segments) // MIB
    report.numbers[f"written_mb.{grant.serial}"] = done.amount / MIB
    if not done.bad and not any(check.name == CHECK for check in report.checks):
        whole = bool(segments) and set(segments) <= set(done.verified)
        why = f"{verified} MiB verified" if whole else f"{grant.name}: {verified} of {wanted} MiB verified"
        report.checks.append((checks.passed if whole else checks.not_tested)(CHECK, grant.serial, reason=why))
    if not all(done.verified.values()):
        report.checks.append(checks.not_tested(CHECK_SPEED, grant.serial, reason=f"{grant.name}: {_NO_PACE}"))
    elif done.seconds:
        disk_speed.judge_writing(ctx, _inventoried(ctx, grant), done.amount / done.seconds / 1e6, report)


def failures(notes: Notes) -> PartialReport:
    """Every disk that failed in this attempt. That includes disks that failed under an earlier agent and were refused
    since."""
    report = PartialReport()
    for name, serial, bad in notes.bad():
        report.findings.append(_wrong(name, serial, bad))
        report.checks.append(checks.judged(CHECK, report.findings[-1:], serial))
    return report


def _inventoried(ctx: StageContext, grant: WriteGrant) -> wire.Disk:
    found = [disk for disk in checks.fixed_disks(ctx.inventory) if disk.serial == grant.serial]
    return found[0] if found else wire.Disk(grant.name, grant.serial, grant.wwn, grant.bus, grant.size_mb)


def _verify(ctx: StageContext, fd: int, segment: Segment) -> tuple[fio.Job | None, str, list[fio.BadRange]]:
    """Verify one segment, and note the result of `_verified`."""
    done = _fio(ctx, fd, fio.verify_argv(f"/proc/self/fd/{fd}", segment.offset, segment.length), 2 * segment.length)
    return _verified(done, segment)


def _verified(
    done: Completed, segment: Segment, *, read_back: bool = True
) -> tuple[fio.Job | None, str, list[fio.BadRange]]:
    """Returns fio's job, why the job proves nothing (empty if it proves something), and the bad ranges."""
    bad = fio.errors(done.output)
    try:
        job = fio.parse(done.stdout)
    except ParseError as error:
        return None, done.trouble_or(error), bad
    if not bad and job.error == fio.VERIFY_ERRNO:
        bad = [fio.BadRange(segment.offset, segment.length, "verify")]
    if not bad and (job.error or not done.ok):
        return job, done.trouble or f"fio reports error {job.error}", []
    if not bad and (job.written_bytes, job.read_bytes) != (segment.length, segment.length if read_back else 0):
        why = f"{job.written_bytes} bytes written, {job.read_bytes} read back, {segment.length} wanted"
        return job, why, []
    return job, "", bad


def _blank(ctx: StageContext, grant: WriteGrant, fd: int, done: Written, notes: Notes, report: PartialReport) -> None:
    """Write zeros over every segment that was overwritten as a whole, and over no other byte, so that the next probe
    finds a blank disk. Gate 5 is asked before each segment. left_patterns reports what could not be zeroed."""
    for segment in done.having(State.WRITTEN):
        if not silence.is_over(ctx):
            return
        argv = fio.blank_argv(f"/proc/self/fd/{fd}", segment.offset, segment.length)
        _, trouble, bad = _verified(_fio(ctx, fd, argv, segment.length), segment, read_back=False)
        if bad or trouble:
            done.bad = done.bad or (bad[0] if bad else None)
            notes.keep_written(grant, done)
            ctx.log("warning", f"{grant.name} ({grant.serial}): zeros were not written: {trouble or bad[0].words}")
            return
        done.states[segment] = State.BLANK
        notes.keep_written(grant, done)


def _fio(ctx: StageContext, fd: int, argv: list[str], amount: int) -> Completed:
    """Write one segment. If gate 5 closes meanwhile, fio is stopped within seconds, and begins the segment anew when
    the orchestrator answers again. An error that fio saw until then is kept: nothing is written over it."""
    limit_s = amount / _MIN_RATE_BYTES_S + _START_S
    for left in reversed(range(_TRIES)):
        done = fio.run(argv, limit_s, stop=ctx.stop, forbids=lambda: silence.why(ctx), pass_fds=(fd,))
        if not done.forbidden or not left or fio.errors(done.output) or not silence.is_over(ctx):
            break
        ctx.log("warning", f"{done.trouble}; the segment is written anew")
    return done


def write_in_memory(corrupt: bool, stop: StopFlag) -> PartialReport:
    """The verified write on a file in memory; no disk is touched. `corrupt` flips one bit between writing and reading
    back. Used by the test of the tester."""
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


def judge(done: Completed, segment: Segment, name: str) -> PartialReport:
    """The verified write of one segment by itself."""
    _, trouble, bad = _verified(done, segment)
    found = [_wrong(name, name, bad[0])] if bad else []
    if trouble and not bad:
        return PartialReport([checks.not_tested(CHECK, name, reason=trouble)])
    return PartialReport([checks.judged(CHECK, found, name)], found)


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
