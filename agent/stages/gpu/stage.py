"""GPU: presence, PCIe link, state, load, memory errors. All but the first two need the maker's driver, which the live
image does not contain. Without it a card is seen but not tested, unless the spec says that this is enough."""

from __future__ import annotations

from agent import findings
from agent.contract import wire
from agent.exercises import gpu_links, gpu_load, gpu_memory, gpu_state
from agent.exercises.gpu_names import TOPIC
from agent.probes.gpu import nvidia_smi
from agent.reports import checks
from agent.reports.partial_report import PartialReport, joined
from agent.stage import StageContext, StageReport
from agent.stages.gpu.spec import Limits, Params

# Required whatever the profile lists: a card that was only seen has not passed.
REQUIRED = (gpu_load.CHECK, gpu_memory.CHECK, gpu_state.CHECK)
TOOL = "lspci"


def run(ctx: StageContext) -> StageReport:
    ctx.check_values(Params, Limits)
    present = ctx.inventory.gpus if ctx.inventory else []
    expected = ctx.claim.expected.get("gpus")
    if expected != [] and (why := _not_looked(ctx.inventory)):
        return checks.report(ctx, [checks.not_tested(name, reason=why, topic=TOPIC) for name in ("present", "link")])
    if not present and not expected:
        return checks.nothing_here(("present", "link"), "no GPU is expected here and none was found")
    missing = _missing(expected or [], present)
    worked = _worked(ctx, present)
    return checks.report(
        ctx,
        [checks.judged("present", missing, topic=TOPIC), *worked.checks],
        findings=[*missing, *worked.findings],
        also_required=REQUIRED,
        numbers=worked.numbers,
        evidence=worked.evidence,
    )


def _not_looked(inventory: wire.Inventory | None) -> str:
    """Why it is unknown which cards there are, for a reason that is not a card's fault. Empty if they are known."""
    if inventory is None:
        return "there is no inventory"
    return (
        "lspci could not be asked which cards there are: see InventoryCheck" if TOOL in inventory.missing_tools else ""
    )


def _worked(ctx: StageContext, present: list[wire.Gpu]) -> PartialReport:
    """The load runs first, so that errors that it causes are in the memory's counters afterwards."""
    before, resting, watch = nvidia_smi.ask(), gpu_links.at_rest(present), gpu_load.Watch()
    loaded = gpu_load.run(ctx, present, before, watch)
    after = nvidia_smi.ask()
    linked = gpu_links.widths(ctx, present, resting, watch.links.known())
    whole = joined([linked, loaded, gpu_memory.check(ctx, present, gpu_memory.counted_since(before, after))])
    whole.findings += gpu_state.lost_meanwhile(before, after)
    return whole


def _missing(expected: list[dict[str, object]], present: list[wire.Gpu]) -> list[wire.Finding]:
    """Findings if fewer cards are on the bus than expected. The missing ones are only known if each card gives its
    UUID, which needs a driver. Expected parts reports a card in the place of another."""
    lacking = len(expected) - len(present)
    if lacking <= 0:
        return []
    there = {gpu.uuid for gpu in present}
    named = [name for gpu in expected if (name := str(gpu.get("uuid") or "")) and name not in there]
    if "" not in there and len(named) == lacking:
        return [findings.make("gpu.missing", "gpu", name, f"GPU {name} is not there") for name in named]
    message = f"{len(present)} of {len(expected)} GPUs are there"
    value, limit = float(len(present)), float(len(expected))
    return [findings.make("gpu.missing", "gpu", "system", message, value=value, limit=limit)]
