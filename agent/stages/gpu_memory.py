"""Errors in a GPU's memory, as its driver counts them. A card that no driver speaks for is not tested."""

from __future__ import annotations

from pathlib import Path

from agent import findings, wire
from agent.probes import amdgpu, nvidia_smi
from agent.probes.amdgpu import AmdGpu
from agent.probes.nvidia_smi import NvidiaGpu
from agent.probes.parsing import ParseError
from agent.stage import StageContext
from agent.stages import checks
from agent.stages.gpu_names import TOPIC, name_of
from agent.stages.part import Part

CHECK = "memory"


def check(ctx: StageContext, present: list[wire.Gpu], root: Path = Path("/")) -> Part:
    """One check per card. Volatile errors count from the driver's loading, which is this boot."""
    most = checks.limit(ctx, "uncorrected_errors_max")
    nvidia, trouble = _nvidia()
    part = Part()
    for gpu in present:
        card, amd = nvidia.get(gpu.pci), amdgpu.read(gpu.pci, root)
        if card is not None and not trouble:
            _judge(gpu, of_nvidia(card, most), _counts(card.uncorrected_ecc), part)
        elif amd is not None:
            _judge(gpu, of_amd(name_of(gpu), gpu.pci, amd, most), _counts(amd.uncorrected), part)
        else:
            why = trouble or f"{gpu.pci}: its driver does not know it (any more)"
            part.checks.append(checks.not_tested(CHECK, name_of(gpu), reason=why, topic=TOPIC))
    return part


def _nvidia() -> tuple[dict[str, NvidiaGpu], str]:
    """Cards by PCI address, and why there are none."""
    done = nvidia_smi.run()
    try:
        return {card.pci: card for card in nvidia_smi.parse(done.stdout)}, done.trouble
    except ParseError as error:
        return {}, done.trouble or str(error)


def _counts(uncorrected: int | None) -> bool:
    return uncorrected is not None


def _judge(gpu: wire.Gpu, found: list[wire.Finding], counts: bool, part: Part) -> None:
    part.findings += found
    check = checks.judged(CHECK, found, name_of(gpu), topic=TOPIC)
    if not counts and check.outcome is wire.Outcome.PASSED:
        check = checks.not_tested(CHECK, name_of(gpu), reason=f"{gpu.pci}: this card has no ECC", topic=TOPIC)
    part.checks.append(check)


def of_nvidia(card: NvidiaGpu, most: float) -> list[wire.Finding]:
    found = _uncorrected(card.uuid, card.pci, card.uncorrected_ecc, most)
    if card.remap_failed:
        message = f"{card.pci}: memory rows could not be remapped"
        found.append(findings.make("gpu.remap_failed", "gpu", card.uuid, message))
    if card.remap_pending:
        message = f"{card.pci}: memory rows wait to be remapped"
        found.append(findings.make("gpu.remap_pending", "gpu", card.uuid, message))
    return found


def of_amd(name: str, pci: str, card: AmdGpu, most: float) -> list[wire.Finding]:
    return _uncorrected(name, pci, card.uncorrected, most)


def _uncorrected(name: str, pci: str, count: int | None, most: float) -> list[wire.Finding]:
    if count is None or count <= most:
        return []
    message = f"{pci}: {count} uncorrected errors in GPU memory, at most {most:g}"
    return [findings.make("gpu.ecc", "gpu", name, message, value=float(count), limit=most)]
