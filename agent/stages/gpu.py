"""GPU: presence, PCIe width, errors in its memory; load where a driver is there, which the live image has not."""

from __future__ import annotations

from agent import findings, wire
from agent.probes import nvidia_smi, pcilink
from agent.probes.parsing import ParseError
from agent.stage import StageContext, StageReport
from agent.stages import checks

TOPIC = "gpu"


def run(ctx: StageContext) -> StageReport:
    present = ctx.inventory.gpus if ctx.inventory else []
    expected = ctx.claim.expected.get("gpus")
    if not present and not expected:
        return checks.nothing_here(("present", "link"), "no GPU is expected here and none was found")
    missing = _missing(expected or [], present)
    narrow, links = _links(present)
    memory, errors = _memory_checks(present)
    return checks.report(
        ctx,
        [checks.judged("present", missing, topic=TOPIC), *links, *memory, _load()],
        findings=[*missing, *narrow, *errors],
    )


def name_of(gpu: wire.Gpu) -> str:
    """Its UUID, or where it sits when no driver tells one."""
    return gpu.uuid or gpu.pci


def _missing(expected: list[dict[str, object]], present: list[wire.Gpu]) -> list[wire.Finding]:
    there = {gpu.uuid for gpu in present if gpu.uuid} | {gpu.pci for gpu in present}
    named = [str(gpu.get("uuid") or gpu.get("pci") or "") for gpu in expected]
    found = [
        findings.make("gpu.missing", "gpu", name, f"GPU {name} is not there")
        for name in named
        if name and name not in there and any(gpu.uuid for gpu in present)
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


def _memory_checks(present: list[wire.Gpu]) -> tuple[list[wire.Check], list[wire.Finding]]:
    done = nvidia_smi.run()
    try:
        cards = nvidia_smi.parse(done.stdout)
    except ParseError as error:
        why = done.trouble or str(error)
        return [checks.not_tested("memory", name_of(gpu), reason=why, topic=TOPIC) for gpu in present], []
    found = [finding for card in cards for finding in memory_findings(card)]
    return [
        checks.judged("memory", [f for f in found if f.component == card.uuid], card.uuid, topic=TOPIC)
        for card in cards
    ], found


def memory_findings(card: nvidia_smi.NvidiaGpu) -> list[wire.Finding]:
    found = []
    if card.uncorrected_ecc:
        message = f"{card.pci}: {card.uncorrected_ecc} uncorrected errors in GPU memory"
        found.append(findings.make("gpu.ecc", "gpu", card.uuid, message, value=float(card.uncorrected_ecc), limit=0.0))
    if card.remap_pending:
        found.append(
            findings.make("gpu.remap_pending", "gpu", card.uuid, f"{card.pci}: memory rows wait to be remapped")
        )
    return found


def _load() -> wire.Check:
    return checks.not_tested("load", reason="the live image carries no GPU driver", topic="gpu_load")
