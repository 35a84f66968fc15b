"""CPUStress: loads all cores at once, then each alone, verifies every result, and judges temperatures and clocks.
Before and after the load the cores' answers are compared."""

from __future__ import annotations

from agent.contract import wire
from agent.exercises import cpu_load, fans
from agent.exercises.heat import Heat
from agent.exercises.packages import processors_by_package
from agent.reports import checks
from agent.reports.partial_report import joined
from agent.reports.progress import ProgressBoard
from agent.stage import StageContext, StageReport
from agent.stages.cpu_stress import core_self_test, cpu_cores, same_results
from agent.stages.cpu_stress.same_results import COLD, HOT, Screen
from agent.stages.cpu_stress.spec import Limits, Params


def run(ctx: StageContext) -> StageReport:
    params, limits = ctx.params(Params), ctx.limits(Limits)
    packages, board, heat = processors_by_package(), ProgressBoard(ctx), Heat(warm=_warm(ctx))
    cores = cpu_cores.first_threads(packages)
    expected_fans, fans_before = fans.expected(ctx.claim.expected), fans.look()
    heat.rest_for(params.idle_s, ctx.stop)
    cold = _screen(COLD, packages, cores, params, ctx, board)
    with heat.watching(), board.timing("CPU", "verified load", params.duration_s):
        load = cpu_load.run(params.duration_s, ctx.stop, packages)
    hot = _screen(HOT, packages, cores, params, ctx, board)
    turning, stopped = fans.judge(expected_fans, fans_before, fans.look())
    alone = cpu_cores.run(cores, params.core_s, params.cores_max_s, ctx.stop, board)
    screened = same_results.judge([cold, hot], packages, cores)
    calculated = joined([load, screened, alone, core_self_test.run(cores, ctx.stop)])
    thermal, too_hot = _thermal(ctx, limits, heat)
    carried, resistance = heat.resistance(params.power_rise_min_w)
    online = _all_online(ctx.inventory, sum(map(len, packages.values())))
    return checks.report(
        ctx,
        [*calculated.checks, online, *thermal, *carried, *turning],
        findings=[*calculated.findings, *too_hot, *stopped],
        also_required=(fans.CHECK,) if expected_fans else (),
        numbers={**calculated.numbers, **heat.numbers(params.slope_window_s), **resistance},
        evidence={**calculated.evidence, **heat.evidence()},
    )


def _screen(
    when: str,
    packages: dict[int, list[int]],
    cores: dict[int, list[int]],
    params: Params,
    ctx: StageContext,
    board: ProgressBoard,
) -> Screen:
    """Half of the time is for each of the two screenings."""
    with board.timing("cores", f"comparing the cores' answers, {when}", params.screen_s / 2):
        return same_results.screen(when, packages, cores, params.screen_s / 2, ctx.stop)


def _warm(ctx: StageContext) -> str:
    """Why the CPUs may not be at rest before this load: an earlier attempt has loaded them, or this one before the
    agent restarted. Notes that they are loaded from now on."""
    begun = ctx.memory.load()
    ctx.memory.save({"begun": True})
    again = ctx.order.attempt > 1 or begun
    return "the CPUs may have been warm before this load: it is not the run's first" if again else ""


def _thermal(ctx: StageContext, limits: Limits, heat: Heat) -> tuple[list[wire.Check], list[wire.Finding]]:
    """Only profiles whose load lasts until the temperature settles have a limit for the rise."""
    sockets = ctx.inventory.cpu.sockets if ctx.inventory else 1
    judged = [
        heat.temperature(limits.temp_margin_c, limits.temp_max_c, sockets),
        heat.clock(limits.clock_min_fraction),
        heat.plateau(ctx.params(Params).slope_window_s, limits.temp_slope_max_c_min),
    ]
    return [check for check, _ in judged], [finding for _, found in judged for finding in found]


def _all_online(inventory: wire.Inventory | None, used: int) -> wire.Check:
    """A check for cores that the inventory counted and that could not be loaded."""
    known = inventory.cpu.threads if inventory else 0
    if not known:
        return checks.not_tested("all_cores", reason="the inventory has no count of processors")
    if used < known:
        return checks.not_tested("all_cores", reason=f"{used} of {known} processors were under load")
    return checks.passed("all_cores", reason=f"{used} of {known} processors were under load")
