"""Faults in the answer of a GPU's driver: faults that only a reset ends, and a reduced clock. Words and actions as in
nvidia-smi(1) and in NVIDIA's "GPU Memory Error Management", error recovery flags."""

from __future__ import annotations

from agent import findings
from agent.contract import wire
from agent.probes.gpu.nvidia_smi import WEAK_SLOWDOWN, NvidiaGpu

_CRITICAL, _WARNING = wire.Severity.CRITICAL, wire.Severity.WARNING
# Part of the driver's text → what it means, and the sentence for the finding.
_FAULTS = (
    ("lost", "gpu.lost", "the driver lost the card"),
    ("fallen off the bus", "gpu.lost", "the card fell off the bus"),
    ("requires reset", "gpu.needs_reset", "the card requires a reset"),
    ("require reset", "gpu.needs_reset", "the card requires a reset"),
    ("reset required", "gpu.needs_reset", "the card requires a reset"),
    ("insufficient external power", "gpu.no_power", "its external power is not plugged in"),
    ("inforom", "gpu.inforom", "its infoROM is corrupt, where it keeps its faults and retired memory"),
)
NO_ACTION, _GENTLE = "none", "drain and reset"
ACTIONS = frozenset({"reset", "gpu reset required", "reboot", "node reboot required", "drain p2p", _GENTLE})


def of_card(card: NvidiaGpu) -> list[wire.Finding]:
    """All findings about the card's state, except those from the counters of its memory."""
    return [*_faults(card), *_recovery(card), *slowed(card.name, card.pci, card.slowed_by), *_condition(card)]


def slowed(name: str, pci: str, reasons: tuple[str, ...]) -> list[wire.Finding]:
    if not reasons:
        return []
    severity = _WARNING if set(reasons) == {WEAK_SLOWDOWN} else _CRITICAL
    message = f"{pci}: slowed down by {', '.join(sorted(reasons))}"
    return [findings.make("gpu.throttled", "gpu", name, message, severity=severity)]


def _condition(card: NvidiaGpu) -> list[wire.Finding]:
    told = (("gpu.too_hot", card.too_hot), ("gpu.fabric", card.fabric_fault and f"NVLink fabric: {card.fabric_fault}"))
    return [findings.make(code, "gpu", card.name, f"{card.pci}: {words}") for code, words in told if words]


def _faults(card: NvidiaGpu) -> list[wire.Finding]:
    """One finding per kind of fault, with the first answer that shows it."""
    by_code: dict[str, wire.Finding] = {}
    for answer in card.errors:
        for finding in meant(card.name, card.pci, answer):
            by_code.setdefault(finding.code, finding)
    return list(by_code.values())


def meant(name: str, pci: str, words: str) -> list[wire.Finding]:
    known = next(((code, means) for piece, code, means in _FAULTS if piece in words.casefold()), None)
    if known is None:
        return []
    code, means = known
    return [findings.make(code, "gpu", name, f"{pci or name}: {means} ({words[:200]})")]


def _recovery(card: NvidiaGpu) -> list[wire.Finding]:
    """A finding for a fault since the driver was loaded. Rows and repairs that only wait for a reset have a warning of
    their own, so the mild action for them makes no second one."""
    action = card.recovery.casefold()
    if action not in ACTIONS:
        return []
    waits = card.remap_pending or card.memory.repairs
    severity = _WARNING if action == _GENTLE and waits else _CRITICAL
    message = f"{card.pci}: after a fault the driver asks for: {card.recovery}"
    return [findings.make("gpu.needs_reset", "gpu", card.name, message, severity=severity)]
