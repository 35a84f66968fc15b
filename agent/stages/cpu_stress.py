"""CPUStress: all cores at work at once, every result verified, and how hot they get."""

from __future__ import annotations

from agent import wire
from agent.stage import StageContext, StageReport
from agent.stages import checks, cpu_load
from agent.stages.board import Board
from agent.stages.heat import Heat
from agent.stages.packages import processors_by_package


def run(ctx: StageContext) -> StageReport:
    duration_s = float(checks.param(ctx, "duration_s"))
    packages = processors_by_package()
    with Heat().watching() as heat, Board(ctx).timing("CPU", "verified load", duration_s):
        load = cpu_load.run(duration_s, ctx.stop, packages)
    temperature, hot = heat.check(checks.limit(ctx, "temp_margin_c"), checks.limit(ctx, "temp_max_c"))
    online = _all_online(ctx.inventory, sum(map(len, packages.values())))
    return checks.report(
        ctx,
        [*load.checks, online, temperature],
        findings=[*load.findings, *hot],
        numbers={**load.numbers, **heat.numbers()},
        evidence=load.evidence,
    )


def _all_online(inventory: wire.Inventory | None, used: int) -> wire.Check:
    """Cores that the inventory counted and that could not be loaded were not tested."""
    known = inventory.cpu.threads if inventory else 0
    if not known:
        return checks.not_tested("all_cores", reason="the inventory has no count of processors")
    if used < known:
        return checks.not_tested("all_cores", reason=f"{used} of {known} processors were under load")
    return checks.passed("all_cores", reason=f"{used} of {known} processors were under load")
