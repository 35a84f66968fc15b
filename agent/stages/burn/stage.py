"""Burn: everything under load at once, for as long as the profile says. Cores, memory and disks work with verified
results, the network while the bench lends its link, and GPUs if a load tool is installed. A part that could not join is
named."""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

from agent.contract import wire
from agent.exercises import changing_load, cpu_load, fans, gpu_load, memory_load
from agent.exercises.changing_load import Sweep
from agent.exercises.heat import Heat
from agent.exercises.surface import MIB, SECTOR_BYTES, unreadable
from agent.host.shell import Completed
from agent.loads import fio, stressapptest
from agent.parsing import ParseError
from agent.probes.board import memory_modules
from agent.reports import checks
from agent.reports.partial_report import PartialReport, joined
from agent.reports.progress import ProgressBoard
from agent.stage import StageContext, StageReport
from agent.stages.burn import burn_network
from agent.stages.burn.spec import Limits, Params

_END_S = 120.0
_LEAST_MB = 64


def run(ctx: StageContext) -> StageReport:
    params, limits = ctx.params(Params), ctx.limits(Limits)
    duration_s = params.duration_s
    disks = checks.fixed_disks(ctx.inventory)
    megabytes = _room(params)
    # The other loads run while memory is being filled, and for the whole time after that.
    others_s = duration_s + stressapptest.filling_s(megabytes)
    expected_fans, fans_before = fans.expected(ctx.claim.expected), fans.look()
    heat = Heat()
    with (
        ProgressBoard(ctx).timing("everything", "cores, memory, disks, network and GPUs", others_s),
        ThreadPoolExecutor(max_workers=len(disks) + 4, thread_name_prefix="burn") as pool,
    ):
        work = [
            pool.submit(_memory, ctx, megabytes, duration_s),
            pool.submit(_cores, ctx, heat, others_s),
            pool.submit(burn_network.run, ctx, others_s),
            pool.submit(gpu_load.during_burn, ctx, others_s),
            *(pool.submit(_disk, ctx, disk, others_s) for disk in disks),
        ]
        whole = joined([job.result() for job in work])
    turning, stopped = fans.judge(expected_fans, fans_before, fans.look())
    thermal, hot = _thermal(ctx, limits, heat)
    return checks.report(
        ctx,
        [*whole.checks, *_no_disk(disks), *thermal, *turning],
        findings=[*whole.findings, *hot, *stopped],
        also_required=_required(params, expected_fans),
        numbers=whole.numbers | heat.numbers(),
        evidence=whole.evidence | heat.evidence(),
    )


def _required(params: Params, expected_fans: Collection[str]) -> list[str]:
    return [*([fans.CHECK] if expected_fans else []), *([changing_load.CHECK] if params.waves_s else [])]


def _cores(ctx: StageContext, heat: Heat, duration_s: float) -> PartialReport:
    """Temperatures and clocks are those under a steady load. The load in waves comes after it, within the same time.
    Memory's last check goes on after both, with cores at rest."""
    params = ctx.params(Params)
    waves_s = min(params.waves_s, duration_s / 2)
    with heat.watching():
        steady = cpu_load.run(duration_s - waves_s, ctx.stop)
    if not waves_s:
        return steady
    sweep = Sweep(waves_s, params.waves_least_hz, params.waves_most_hz)
    return joined([steady, changing_load.run(sweep, ctx.stop)])


def _thermal(ctx: StageContext, limits: Limits, heat: Heat) -> tuple[list[wire.Check], list[wire.Finding]]:
    sockets = ctx.inventory.cpu.sockets if ctx.inventory else 1
    judged = [
        heat.temperature(limits.temp_margin_c, limits.temp_max_c, sockets),
        heat.clock(limits.clock_min_fraction),
    ]
    return [check for check, _ in judged], [finding for _, found in judged for finding in found]


def _room(params: Params) -> int:
    """How much memory is tested, in MiB."""
    return memory_load.room(
        params.reserve_percent,
        params.reserve_min_mb,
        params.memory_percent / 100,
        params.memory_max_mb,
    ).testable_mb


def _memory(ctx: StageContext, megabytes: int, duration_s: float) -> PartialReport:
    if megabytes < _LEAST_MB:
        return PartialReport([checks.not_tested("memory", reason=f"{megabytes} MiB can be tested")])
    dimms = ctx.inventory.memory.dimms if ctx.inventory else []
    threads, addresses = max(1, memory_load.default_threads() // 2), memory_modules.of_host()
    outcome = memory_load.stress("memory", megabytes, threads, duration_s, ctx.stop, dimms, addresses)
    numbers = {"burn_memory_mb": float(megabytes), "burn_memory_moved_mb": outcome.moved_mb}
    return PartialReport([outcome.check], outcome.findings, numbers, {"stressapptest.txt": outcome.evidence})


def _disk(ctx: StageContext, disk: wire.Disk, duration_s: float) -> PartialReport:
    """Random reads all over the disk. A failure fails this check, and is in the kernel's log as well."""
    if swapped := checks.exchanged([disk], "disks"):
        return PartialReport([*swapped.values()])
    argv = fio.burn_argv(f"/dev/{disk.name}", disk.size_mb * MIB, duration_s)
    return judge_disk(disk, fio.run(argv, duration_s + _END_S, stop=ctx.stop))


def judge_disk(disk: wire.Disk, done: Completed) -> PartialReport:
    """The check `disks` of a disk, from fio's output."""
    name = checks.disk_name(disk)
    bad = fio.io_errors(done.stderr + done.stdout)
    if bad:
        found = [unreadable(disk.name, name, [(one.offset // SECTOR_BYTES, one.length // SECTOR_BYTES) for one in bad])]
        return PartialReport([checks.judged("disks", found, name)], found)
    try:
        job = fio.parse(done.stdout)
    except ParseError as error:
        return PartialReport([checks.not_tested("disks", name, reason=f"{disk.name}: {done.trouble or error}")])
    if not done.ok or job.error or not job.read_bytes:
        return PartialReport(
            [checks.not_tested("disks", name, reason=f"{disk.name}: {done.trouble or 'nothing was read'}")]
        )
    words = f"{job.read_bytes // MIB} MiB read"
    return PartialReport(
        [checks.passed("disks", name, reason=words)], [], {f"burn_read_mb.{name}": job.read_bytes / MIB}
    )


def _no_disk(disks: list[wire.Disk]) -> list[wire.Check]:
    return [] if disks else [checks.not_tested("disks", reason="no disk was found", topic="storage")]
