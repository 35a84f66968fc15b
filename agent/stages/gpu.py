"""GPU: presence, PCIe width, errors in its memory; load where a driver and a tool are there, which the live image has
not."""

from __future__ import annotations

from agent import findings, wire
from agent.probes import pcilink
from agent.stage import StageContext, StageReport
from agent.stages import checks, gpu_load, gpu_memory
from agent.stages.gpu_names import TOPIC, name_of
from agent.stages.part import Part

LIMITS = ("uncorrected_errors_max",)
TOOL = "lspci"


def run(ctx: StageContext) -> StageReport:
    checks.demand(ctx, LIMITS)
    present = ctx.inventory.gpus if ctx.inventory else []
    expected = ctx.claim.expected.get("gpus")
    if expected != [] and (why := _not_looked(ctx.inventory)):
        return checks.report(ctx, [checks.not_tested(name, reason=why, topic=TOPIC) for name in ("present", "link")])
    if not present and not expected:
        return checks.nothing_here(("present", "link"), "no GPU is expected here and none was found")
    missing = _missing(expected or [], present)
    narrow, links = _links(present)
    worked = _worked(ctx, present)
    return checks.report(
        ctx,
        [checks.judged("present", missing, topic=TOPIC), *links, *worked.checks],
        findings=[*missing, *narrow, *worked.findings],
        numbers=worked.numbers,
        evidence=worked.evidence,
    )


def _not_looked(inventory: wire.Inventory | None) -> str:
    """Why nobody knows which cards there are, which is no card's fault; '' where it is known."""
    if inventory is None:
        return "there is no inventory"
    return (
        "lspci could not be asked which cards there are: see InventoryCheck" if TOOL in inventory.missing_tools else ""
    )


def _worked(ctx: StageContext, present: list[wire.Gpu]) -> Part:
    """Under load first: what its memory counts afterwards is the load's, too."""
    whole = Part()
    for part in (gpu_load.run(ctx, present), gpu_memory.check(ctx, present)):
        whole.checks += part.checks
        whole.findings += part.findings
        whole.numbers |= part.numbers
        whole.evidence |= part.evidence
    return whole


def _missing(expected: list[dict[str, object]], present: list[wire.Gpu]) -> list[wire.Finding]:
    there = {gpu.uuid for gpu in present if gpu.uuid}
    named = [str(gpu.get("uuid") or "") for gpu in expected]
    found = [
        findings.make("gpu.missing", "gpu", name, f"GPU {name} is not there")
        for name in named
        if name and name not in there and there
    ]
    if not found and len(present) < len(expected):
        message = f"{len(present)} of {len(expected)} GPUs are there"
        found.append(
            findings.make(
                "gpu.missing", "gpu", "system", message, value=float(len(present)), limit=float(len(expected))
            )
        )
    return found


def _links(present: list[wire.Gpu]) -> tuple[list[wire.Finding], list[wire.Check]]:
    """Width only: GPUs lower their speed when idle, never their width."""
    found, made = [], []
    for gpu in present:
        link, name = pcilink.read(gpu.pci), name_of(gpu)
        if link is None:
            made.append(
                checks.not_tested("link", name, reason=f"{gpu.pci}: the kernel knows no PCIe link", topic=TOPIC)
            )
            continue
        narrow = []
        if link.width < link.max_width:
            message = f"{gpu.pci}: x{link.width} of x{link.max_width} lanes"
            narrow = [
                findings.make(
                    "gpu.link_width", "gpu", name, message, value=float(link.width), limit=float(link.max_width)
                )
            ]
        found += narrow
        made.append(checks.judged("link", narrow, name, topic=TOPIC, reason=f"x{link.width}, {link.speed_gts:g} GT/s"))
    return found, made
