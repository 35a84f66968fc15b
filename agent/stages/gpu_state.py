"""What a GPU's driver says of its state: faults that only a reset ends, errors instead of answers, a clock held down.

Words and actions are those of nvidia-smi(1) and of NVIDIA's "GPU Memory Error Management", error recovery flags."""

from __future__ import annotations

from agent import findings, wire
from agent.probes.nvidia_smi import WEAK_SLOWDOWN, Answer, NvidiaGpu, Silent
from agent.stages import checks

CHECK = "state"
_CRITICAL, _WARNING = wire.Severity.CRITICAL, wire.Severity.WARNING
# By a piece of the driver's words: what they mean, and the sentence.
_FAULTS: tuple[tuple[str, str, str], ...] = (
    ("lost", "gpu.lost", "the driver lost the card"),
    ("fallen off the bus", "gpu.lost", "the card fell off the bus"),
    ("requires reset", "gpu.needs_reset", "the card requires a reset"),
    ("require reset", "gpu.needs_reset", "the card requires a reset"),
    ("reset required", "gpu.needs_reset", "the card requires a reset"),
    ("insufficient external power", "gpu.no_power", "its external power is not plugged in"),
    ("inforom", "gpu.inforom", "its infoROM is corrupt, where it keeps its faults and retired memory"),
)
_NO_ACTION, _GENTLE = "none", "drain and reset"
_ACTIONS = frozenset({"reset", "gpu reset required", "reboot", "node reboot required", "drain p2p", _GENTLE})


def judge(card: NvidiaGpu, topic: str) -> tuple[wire.Check, list[wire.Finding]]:
    found = [*_faults(card), *_recovery(card), *slowed(card.name, card.pci, card.slowed_by)]
    check = checks.judged(CHECK, found, card.name, topic=topic, reason=_words(card))
    if check.outcome is wire.Outcome.PASSED and (why := _unread(card)):
        check = checks.not_tested(CHECK, card.name, reason=f"{card.pci}: {why}", topic=topic)
    return check, found


def of_silent(name: str, silent: Silent, topic: str) -> tuple[wire.Check, list[wire.Finding]]:
    """A card that could not be asked: failed where the words say what is wrong, else not tested."""
    found = _meant(name, silent.pci, silent.words)
    check = checks.judged(CHECK, found, name, topic=topic)
    if check.outcome is wire.Outcome.PASSED:
        why = f"{silent.pci or 'a card'}: its driver says: {silent.words[:200]}"
        check = checks.not_tested(CHECK, name, reason=why, topic=topic)
    return check, found


def slowed(name: str, pci: str, reasons: tuple[str, ...]) -> list[wire.Finding]:
    if not reasons:
        return []
    severity = _WARNING if set(reasons) == {WEAK_SLOWDOWN} else _CRITICAL
    message = f"{pci}: slowed down by {', '.join(sorted(reasons))}"
    return [findings.make("gpu.throttled", "gpu", name, message, severity=severity)]


def is_well(card: NvidiaGpu) -> bool:
    """Whether the card positively says that nothing has to be done about it."""
    memory = card.memory
    waits = card.remap_pending or card.remap_failed or memory.worn_out or memory.repairs or memory.trouble
    return card.recovery.casefold() == _NO_ACTION and not card.errors and not waits and not card.uncorrected_ecc


def lost_meanwhile(before: Answer, after: Answer) -> list[wire.Finding]:
    """Cards that answered before the load and are not listed after it. (A tool that broke says nothing of them.)"""
    if after.trouble:
        return []
    gone = [card for card in before.cards if card.pci not in after.by_pci]
    message = "the card answered before the load, and after it no more"
    return [findings.make("gpu.lost", "gpu", card.name, f"{card.pci}: {message}") for card in gone]


def _faults(card: NvidiaGpu) -> list[wire.Finding]:
    """One finding per kind of fault, with the first answer that shows it."""
    by_code: dict[str, wire.Finding] = {}
    for answer in card.errors:
        for finding in _meant(card.name, card.pci, answer):
            by_code.setdefault(finding.code, finding)
    return list(by_code.values())


def _meant(name: str, pci: str, words: str) -> list[wire.Finding]:
    known = next(((code, means) for piece, code, means in _FAULTS if piece in words.casefold()), None)
    if known is None:
        return []
    code, means = known
    return [findings.make(code, "gpu", name, f"{pci or name}: {means} ({words[:200]})")]


def _recovery(card: NvidiaGpu) -> list[wire.Finding]:
    """A fault has happened since the driver was loaded. Rows and repairs that only wait for a reset are a warning of
    their own, and the gentle action is for them, too."""
    action = card.recovery.casefold()
    if action not in _ACTIONS:
        return []
    waits = card.remap_pending or card.memory.repairs
    severity = _WARNING if action == _GENTLE and waits else _CRITICAL
    message = f"{card.pci}: after a fault the driver asks for: {card.recovery}"
    return [findings.make("gpu.needs_reset", "gpu", card.name, message, severity=severity)]


def _unread(card: NvidiaGpu) -> str:
    if card.errors:
        return f"errors instead of answers: {'; '.join(card.errors[:5])}"
    action = card.recovery.casefold()
    if action and action != _NO_ACTION and action not in _ACTIONS:
        return f"unknown recovery action {card.recovery[:60]!r}"
    if card.temperature_c is None and card.power_w is None and card.memory_mb is None and not action:
        return "nvidia-smi tells nothing of its state"
    return ""


def _words(card: NvidiaGpu) -> str:
    return f"recovery action: {card.recovery}" if card.recovery else ""
