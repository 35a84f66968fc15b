"""What a GPU's driver reports about its state: faults that only a reset ends, errors instead of answers, a reduced
clock. `agent.counters.gpu_faults` knows what the words mean."""

from __future__ import annotations

from agent import findings
from agent.contract import wire
from agent.counters import gpu_faults
from agent.probes.gpu.nvidia_smi import Answer, NvidiaGpu, Silent
from agent.reports import checks

CHECK = "state"


def judge(card: NvidiaGpu, topic: str) -> tuple[wire.Check, list[wire.Finding]]:
    found = gpu_faults.of_card(card)
    check = checks.judged(CHECK, found, card.name, topic=topic, reason=_recovery_action(card))
    if check.outcome is wire.Outcome.PASSED and (why := _unread(card)):
        check = checks.not_tested(CHECK, card.name, reason=f"{card.pci}: {why}", topic=topic)
    return check, found


def of_silent(name: str, silent: Silent, topic: str) -> tuple[wire.Check, list[wire.Finding]]:
    """The check for a card that could not be asked: failed if the driver's text says what is wrong, else not tested."""
    found = gpu_faults.meant(name, silent.pci, silent.words)
    check = checks.judged(CHECK, found, name, topic=topic)
    if check.outcome is wire.Outcome.PASSED:
        why = f"{silent.pci or 'a card'}: its driver says: {silent.words[:200]}"
        check = checks.not_tested(CHECK, name, reason=why, topic=topic)
    return check, found


def lost_meanwhile(before: Answer, after: Answer) -> list[wire.Finding]:
    """Cards that answered before the load and are not listed after it. (A tool that failed says nothing about them.)"""
    if after.trouble:
        return []
    gone = [card for card in before.cards if card.pci not in after.by_pci]
    message = "the card answered before the load, but not after it"
    return [findings.make("gpu.lost", "gpu", card.name, f"{card.pci}: {message}") for card in gone]


def _unread(card: NvidiaGpu) -> str:
    if card.errors:
        return f"errors instead of answers: {'; '.join(card.errors[:5])}"
    action = card.recovery.casefold()
    if action and action != gpu_faults.NO_ACTION and action not in gpu_faults.ACTIONS:
        return f"unknown recovery action {card.recovery[:60]!r}"
    if card.temperature_c is None and card.power_w is None and card.memory_mb is None and not action:
        return "nvidia-smi does not report its state"
    return ""


def _recovery_action(card: NvidiaGpu) -> str:
    return f"recovery action: {card.recovery}" if card.recovery else ""
