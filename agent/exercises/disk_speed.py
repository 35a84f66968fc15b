"""How fast a disk reads, in order and at random, one disk at a time. The profile's floor for each class of drive only
catches faults: every sound drive of its class reaches it."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from agent import findings
from agent.contract import wire
from agent.exercises.surface import MIB
from agent.host.shell import Completed
from agent.loads import fio
from agent.parsing import ParseError
from agent.probes.drives import disks, emmc
from agent.reports import checks
from agent.reports.partial_report import PartialReport
from agent.reports.progress import ProgressBoard
from agent.stage import StageContext
from agent.stages.storage import spec as storage

_START_S = 60.0
# A disk that reads slower than others of its model is measured again as often as this: on a host that does something
# else for a moment, the disk that is measured then looks slow.
_MORE_ROUNDS = 3
_LEAST_PEERS = 3
CHECK_WRITING = "write_speed"
# The names of fio's jobs.
_SEQUENTIAL, _RANDOM = ("sequential", fio.AGAIN), ("random",)
Jobs = Mapping[str, fio.Job]


def drive_class(disk: wire.Disk) -> str:
    """hdd, ssd, nvme, or `virtual` for disks without a usual speed: a virtio disk reports what somebody configured, and
    SD cards are ten times as slow as eMMCs."""
    if emmc.is_card(disk.name):
        return "virtual"
    if disk.bus in ("nvme", "virtio"):
        return "nvme" if disk.bus == "nvme" else "virtual"
    return "hdd" if disk.rotational else "ssd"


def measure(ctx: StageContext, present: list[wire.Disk], board: ProgressBoard) -> PartialReport:
    """Makes both checks for every disk."""
    duration_s = ctx.params(storage.Params).speed_s
    total_s = 2 * duration_s * len(present)
    sizes = _sizes(present)
    with board.timing("speed", "one disk after the other", total_s):
        done = fio.run(fio.speed_argv(sizes, duration_s), total_s + _START_S * len(present), stop=ctx.stop)
        more: list[Jobs] = []
        while len(more) < _MORE_ROUNDS and (odd := _behind_their_model(ctx, present, [_jobs(done), *more])):
            longest_s = (duration_s + _START_S) * len(odd)
            more.append(_jobs(fio.run(fio.again_argv(_sizes(odd), duration_s), longest_s, stop=ctx.stop)))
    return judge(ctx, present, done, more)


def _sizes(present: list[wire.Disk]) -> dict[str, int]:
    return {f"/dev/{disk.name}": disk.size_mb * MIB for disk in present}


def _behind_their_model(ctx: StageContext, present: list[wire.Disk], rounds: Sequence[Jobs]) -> list[wire.Disk]:
    """The disks that read slower than the median of at least three others of their model, by more than the limit."""
    least = ctx.limits(storage.Limits).seq_read_mb_s_of_peers_warn_percent / 100
    rates = {disk.name: rate for disk in present if (rate := _rate(disk, rounds))}

    def is_behind(disk: wire.Disk) -> bool:
        others = [rates[one.name] for one in measured if one.model == disk.model and one is not disk]
        return len(others) >= _LEAST_PEERS and rates[disk.name] < least * statistics.median(others)

    measured = [disk for disk in present if disk.name in rates and disk.model]
    return [disk for disk in measured if is_behind(disk)]


def _rate(disk: wire.Disk, rounds: Sequence[Jobs]) -> float:
    """Bytes per second in order; 0 if these rounds say nothing about the disk."""
    jobs = _jobs_of(disk, _SEQUENTIAL, rounds)
    return 0.0 if _trouble(jobs) else _best(jobs).read_bytes_s or 0.0


def judge(ctx: StageContext, present: list[wire.Disk], done: Completed, more: Sequence[Jobs] = ()) -> PartialReport:
    """Judge fio's output for these disks, and what was measured again. A disk without a result is not tested, whatever
    the results of the others."""
    report = PartialReport(evidence={"fio-speed.json": done.stdout[-40000:]})
    try:
        jobs, why = fio.parse_all(done.stdout) if done.ended else {}, done.trouble
    except ParseError as error:
        jobs, why = {}, done.trouble_or(error)
    for disk in present:
        for kind, names, weigh in (("sequential", _SEQUENTIAL, _sequential), ("random", _RANDOM, _random)):
            done_jobs = _jobs_of(disk, names, [jobs, *more])
            if trouble := _trouble(done_jobs):
                name, reason = checks.disk_name(disk), f"{disk.name}: {why or trouble}"
                report.checks.append(checks.not_tested(f"{kind}_speed", name, reason=reason))
            else:
                weigh(ctx, disk, _best(done_jobs), report)
    return report


def _jobs(done: Completed) -> Jobs:
    """Every job of fio's output by its name; none if it did not end or can't be read."""
    try:
        return fio.parse_all(done.stdout) if done.ended else {}
    except ParseError:
        return {}


def _jobs_of(disk: wire.Disk, names: Sequence[str], rounds: Sequence[Jobs]) -> list[fio.Job]:
    wanted = [f"{name} /dev/{disk.name}" for name in names]
    return [jobs[name] for jobs in rounds for name in wanted if name in jobs]


def _best(jobs: Sequence[fio.Job]) -> fio.Job:
    """Anything else on the host can only slow a disk down, so the best of all rounds counts."""
    return max(jobs, key=lambda job: job.read_bytes_s or 0.0)


def _trouble(jobs: list[fio.Job]) -> str:
    """Why these rounds say nothing about the disk. Empty if each has read something."""
    errors = [job.error for job in jobs if job.error]
    if errors:
        return f"fio reports error {errors[0]}"
    if not jobs or not all(job.read_bytes for job in jobs):
        return "nothing was read"
    told = all(job.read_bytes_s is not None and job.read_iops is not None for job in jobs)
    return "" if told else "fio does not say how fast it read"


def _sequential(ctx: StageContext, disk: wire.Disk, job: fio.Job, report: PartialReport) -> None:
    rate = (job.read_bytes_s or 0.0) / 1e6
    report.numbers[f"seq_read_mb_s.{checks.disk_name(disk)}"] = rate
    floor = ctx.limits(storage.Limits).read_min_mb_s(drive_class(disk))
    _judge(disk, "sequential_speed", "storage.slow", rate, floor, "MB/s", report)


def _random(ctx: StageContext, disk: wire.Disk, job: fio.Job, report: PartialReport) -> None:
    name = checks.disk_name(disk)
    iops = job.read_iops or 0.0
    report.numbers[f"rand_read_iops.{name}"] = iops
    if job.p99_us is not None:
        report.numbers[f"rand_read_p99_ms.{name}"] = job.p99_us / 1000
    floor = ctx.limits(storage.Limits).random_min_iops(drive_class(disk))
    _judge(disk, "random_speed", "storage.slow_random", iops, floor, "IOPS", report)


def judge_writing(ctx: StageContext, disk: wire.Disk, rate: float, report: PartialReport) -> None:
    """Judge the speed of the verified writes, all disks at once. Drives with overlapping tracks (SMR) rewrite whole
    bands, so they have a floor of their own."""
    report.numbers[f"seq_write_mb_s.{checks.disk_name(disk)}"] = rate
    kind = "smr" if disks.zones(disk.name) else drive_class(disk)
    floor = ctx.limits(storage.Limits).write_min_mb_s(kind)
    _judge(disk, CHECK_WRITING, "storage.slow_writing", rate, floor, "MB/s", report)


def _judge(
    disk: wire.Disk, check: str, code: str, value: float, floor: float, unit: str, report: PartialReport
) -> None:
    name, found = checks.disk_name(disk), []
    if value < floor:
        kind = drive_class(disk)
        message = f"{disk.name}: {value:.0f} {unit} {check.partition('_')[0]}, floor for {kind} is {floor:g} {unit}"
        found = [findings.make(code, "disk", name, message, value=round(value, 1), limit=floor, unit=unit)]
    report.findings += found
    report.checks.append(checks.judged(check, found, name, reason=f"{value:.0f} {unit}"))
