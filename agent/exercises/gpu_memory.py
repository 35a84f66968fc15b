"""Errors in a GPU's memory, as its driver counts them. A card without a driver is not tested, nor is one whose driver
answers with errors. Only the card's own report that it has no ECC is accepted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from agent import findings
from agent.contract import wire
from agent.exercises import gpu_state
from agent.exercises.gpu_names import LOAD_TOPIC, MEMORY_TOPIC, REMEDY, name_of, topic
from agent.probes.gpu import amdgpu
from agent.probes.gpu.amdgpu import AmdGpu
from agent.probes.gpu.nvidia_smi import Answer, NvidiaGpu
from agent.reports import checks
from agent.reports.partial_report import PartialReport
from agent.stage import StageContext
from agent.stages.gpu.spec import Limits as GpuLimits

CHECK = "memory"
_INTENDED = "where that is as it should be, the spec says so: not_expected: [gpu_memory]"
_CRITICAL, _WARNING = wire.Severity.CRITICAL, wire.Severity.WARNING
Limit = Callable[[str], float]


def check(ctx: StageContext, present: list[wire.Gpu], answer: Answer, root: Path = Path("/")) -> PartialReport:
    """Makes the checks `memory` and `state` for each card on the bus, and for each that only the driver knows."""
    report = PartialReport()
    for gpu in present:
        card, amd = card_of(gpu, answer), amdgpu.read(gpu.pci, root)
        if amd is not None:
            _amd(ctx, gpu, amd, report)
        elif card is None or answer.trouble:
            _unasked(ctx, gpu, answer, report)
        else:
            of_card(ctx, card, answer, report)
    known = {gpu.pci for gpu in present} | {gpu.uuid for gpu in present if gpu.uuid}
    for card in answer.cards:
        if card.pci not in known and card.uuid not in known:
            why = f"{card.pci}: the driver lists it, the inventory does not"
            report.checks.append(_not_tested(ctx, card.name, why))
    named = {gpu.pci for gpu in present}
    others = [one for one in answer.silent if one.pci not in named and one.pci not in answer.by_pci]
    of_silent_cards(ctx, replace(answer, silent=others, attached=None, trouble=""), report)
    return report


def of_silent_cards(ctx: StageContext, answer: Answer, report: PartialReport) -> None:
    """Adds checks for cards that only a warning names, for cards that are counted but not listed, and for an answer
    that could not be read at all."""
    silent = [one for one in answer.silent if one.pci not in answer.by_pci]
    for number, one in enumerate(silent):
        name = one.pci or f"GPU without a name {number + 1}"
        state, found = gpu_state.of_silent(name, one, _topic(ctx, LOAD_TOPIC))
        report.checks += [state, _not_tested(ctx, name, f"its driver says: {one.words[:200]}")]
        report.findings += found
    listed = {card.pci for card in answer.cards}
    lacking = (answer.attached or 0) - len(listed) - len([one for one in silent if one.is_gone])
    if lacking > 0:
        report.checks.append(_not_tested(ctx, "system", f"{lacking} of {answer.attached} attached GPUs are not listed"))
    if answer.trouble:
        report.checks.append(_not_tested(ctx, "", answer.trouble))


def counted_since(before: Answer, after: Answer) -> Answer:
    """The answer `after` a load, with each card's errors at least those that its lifetime count gained in between. The
    other count, which is judged, may be 0 again: it lasts only as long as a program holds the card."""
    return replace(after, cards=[_with_gain(card, before.by_pci.get(card.pci)) for card in after.cards])


def _with_gain(card: NvidiaGpu, earlier: NvidiaGpu | None) -> NvidiaGpu:
    if earlier is None or earlier.uuid != card.uuid or card.uncorrected_ecc is None:
        return card
    then, now = earlier.memory.lifetime_uncorrected, card.memory.lifetime_uncorrected
    if then is None or now is None:
        return card
    return replace(card, uncorrected_ecc=max(card.uncorrected_ecc, now - then))


def card_of(gpu: wire.Gpu, answer: Answer) -> NvidiaGpu | None:
    by_uuid = next((card for card in answer.cards if gpu.uuid and card.uuid == gpu.uuid), None)
    return answer.by_pci.get(gpu.pci) or by_uuid


def of_card(ctx: StageContext, card: NvidiaGpu, answer: Answer, report: PartialReport) -> None:
    """Adds checks for one card in the driver's answer, and from what was printed about it beside the answer."""
    found = of_nvidia(card, ctx.limits(GpuLimits))
    beside = [finding for one in answer.silent if one.pci == card.pci
              for finding in gpu_state.of_silent(card.name, one, "")[1]]  # fmt: skip
    check = checks.judged(
        CHECK, [*found, *beside], card.name, topic=_topic(ctx, MEMORY_TOPIC), reason=_error_count(card)
    )
    why = "; ".join(one.message for one in beside) or unread(card)
    if why and check.outcome is wire.Outcome.PASSED:
        check = _not_tested(ctx, card.name, why)
    state, faults = gpu_state.judge(card, _topic(ctx, LOAD_TOPIC))
    report.checks += [check, state]
    report.findings += [*found, *beside, *faults]
    report.numbers |= _numbers(card)


def of_nvidia(card: NvidiaGpu, limits: GpuLimits) -> list[wire.Finding]:
    found = _uncorrected(card.name, card.pci, card.uncorrected_ecc, limits.uncorrected_errors_max)
    if card.remap_failed:
        found.append(_finding("gpu.remap_failed", card, "memory rows could not be remapped"))
    if card.remap_pending:
        found.append(_finding("gpu.remap_pending", card, "memory rows or pages wait for a reset to be replaced"))
    if card.memory.worn_out:
        words = ", ".join(card.memory.worn_out)
        found.append(_finding("gpu.memory_worn_out", card, f"the card says of its memory: {words}"))
    if card.memory.repairs:
        found.append(_finding("gpu.repair_pending", card, f"the card says: {', '.join(card.memory.repairs)}"))
    return [*found, *_past(card, limits.retired_pages_max)]


def of_amd(name: str, pci: str, card: AmdGpu, most: float) -> list[wire.Finding]:
    """Uncorrected errors since the driver was loaded, and bad pages over the card's life (amdgpu's
    gpu_vram_bad_pages)."""
    found = _uncorrected(name, pci, card.uncorrected, most)
    if card.unretired:
        words = f"{pci}: {card.unretired} bad memory pages could not be retired"
        found.append(findings.make("gpu.remap_failed", "gpu", name, words, value=float(card.unretired)))
    elif card.bad_pages:
        words = f"{pci}: {card.bad_pages} memory pages were retired"
        found.append(findings.make("gpu.pages_retired", "gpu", name, words, value=float(card.bad_pages)))
    return found


def unread(card: NvidiaGpu) -> str:
    """Why this card's memory is not tested. Empty if its counters and its repairs were read."""
    memory = card.memory
    if memory.trouble:
        return f"{card.pci}: could not be read: {'; '.join(memory.trouble[:5])}"
    if card.uncorrected_ecc is None or _is_switched_off(card):
        return f"{card.pci}: {_uncounted(card)}"
    if not memory.tells_of_repair:
        return f"{card.pci}: nvidia-smi does not report whether memory waits to be remapped or retired"
    if card.has_mig and card.remap_pending is None and memory.lifetime_uncorrected != 0:
        return f"{card.pci}: MIG mode hides whether memory waits to be remapped: switch it off (nvidia-smi -mig 0)"
    return ""


def _is_switched_off(card: NvidiaGpu) -> bool:
    """Whether the card counts nothing because ECC is off. A count of 0 beside that is no evidence."""
    return card.memory.ecc_mode.casefold() == "disabled"


def _uncounted(card: NvidiaGpu) -> str:
    memory = card.memory
    if card.errors:
        return f"errors instead of answers: {'; '.join(card.errors[:5])}"
    if card.has_mig:
        return "MIG mode hides its counters of memory errors: switch it off (nvidia-smi -mig 0)"
    if memory.has_no_ecc:
        return f"this card has no ECC, so its memory errors are not counted; {_INTENDED}"
    if _is_switched_off(card):
        return f"ECC is switched off: switch it on (nvidia-smi -e 1) and reset the card; {_INTENDED}"
    return "nvidia-smi does not report its memory errors"


def _past(card: NvidiaGpu, pages_most: float) -> list[wire.Finding]:
    """Errors over the card's life. They fail it only above the card's own limits, since it has spare rows for them."""
    memory, found = card.memory, []
    if memory.lifetime_uncorrected and not card.uncorrected_ecc:
        count = memory.lifetime_uncorrected
        words = f"{count} uncorrected errors in the card's life, none since a program last opened it"
        found.append(_finding("gpu.ecc_past", card, words, float(count)))
    if memory.rows_uncorrected:
        words = f"{memory.rows_uncorrected} memory rows were remapped for uncorrected errors"
        found.append(_finding("gpu.rows_remapped", card, words, float(memory.rows_uncorrected)))
    elif memory.banks_without_spare:
        words = f"{memory.banks_without_spare} memory banks have few or no spare rows left"
        found.append(_finding("gpu.rows_remapped", card, words, float(memory.banks_without_spare)))
    if pages := memory.pages_retired:
        severity = _CRITICAL if pages > pages_most else _WARNING
        message = f"{card.pci}: {pages} memory pages were retired, at most {pages_most:g}"
        found.append(
            findings.make(
                "gpu.pages_retired", "gpu", card.name, message, value=float(pages), limit=pages_most, severity=severity
            )
        )
    return found


def _uncorrected(name: str, pci: str, count: int | None, most: float) -> list[wire.Finding]:
    if count is None or count <= most:
        return []
    message = f"{pci}: {count} uncorrected errors in GPU memory, at most {most:g}"
    return [findings.make("gpu.ecc", "gpu", name, message, value=float(count), limit=most)]


def _finding(code: str, card: NvidiaGpu, words: str, value: float | None = None) -> wire.Finding:
    return findings.make(code, "gpu", card.name, f"{card.pci}: {words}", value=value)


def _amd(ctx: StageContext, gpu: wire.Gpu, card: AmdGpu, report: PartialReport) -> None:
    """amdgpu reports no state. It resets a card that hangs, and the kernel's log says so."""
    name, load_topic = name_of(gpu), _topic(ctx, LOAD_TOPIC)
    found = of_amd(name, gpu.pci, card, ctx.limits(GpuLimits).uncorrected_errors_max)
    check = checks.judged(CHECK, found, name, topic=_topic(ctx, MEMORY_TOPIC))
    if check.outcome is wire.Outcome.PASSED and card.uncorrected is None:
        check = _not_tested(ctx, name, f"{gpu.pci}: {card.trouble or 'this card has no ECC'}")
    if card.busy_percent is None and card.memory_mb is None:
        state = checks.not_tested(
            gpu_state.CHECK, name, reason=f"{gpu.pci}: amdgpu reports nothing about it", topic=load_topic
        )
    else:
        state = checks.passed(gpu_state.CHECK, name, topic=load_topic, reason="amdgpu drives it")
    report.findings += found
    report.checks += [check, state]


def _unasked(ctx: StageContext, gpu: wire.Gpu, answer: Answer, report: PartialReport) -> None:
    """Adds checks for a card on the bus about which the driver said nothing, or nothing credible."""
    name, silent = name_of(gpu), next((one for one in answer.silent if one.pci == gpu.pci), None)
    if silent is not None:
        state, found = gpu_state.of_silent(name, silent, _topic(ctx, LOAD_TOPIC))
        report.checks += [state, _not_tested(ctx, name, f"{gpu.pci}: its driver says: {silent.words[:200]}")]
        report.findings += found
        return
    why = f"{answer.trouble}; {REMEDY}" if answer.trouble else f"{gpu.pci}: did not answer its driver"
    report.checks.append(_not_tested(ctx, name, why))
    report.checks.append(checks.not_tested(gpu_state.CHECK, name, reason=why, topic=_topic(ctx, LOAD_TOPIC)))


def _not_tested(ctx: StageContext, name: str, why: str) -> wire.Check:
    return checks.not_tested(CHECK, name, reason=why, topic=_topic(ctx, MEMORY_TOPIC))


def _topic(ctx: StageContext, word: str) -> str:
    return topic(word, ctx.claim.not_expected)


def _error_count(card: NvidiaGpu) -> str:
    return f"{card.uncorrected_ecc} uncorrected errors" if card.uncorrected_ecc is not None else ""


def _numbers(card: NvidiaGpu) -> dict[str, float]:
    memory = card.memory
    known = {
        "gpu_corrected_errors": memory.corrected, "gpu_lifetime_errors": memory.lifetime_uncorrected,
        "gpu_rows_remapped": memory.rows_uncorrected, "gpu_pages_retired": memory.pages_retired,
    }  # fmt: skip
    return {f"{name}.{card.name}": float(value) for name, value in known.items() if value is not None}
