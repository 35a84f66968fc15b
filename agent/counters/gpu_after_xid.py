"""The state of a GPU after the kernel's log has named it. An Xid that a program may have caused is only a warning. It
is critical if the card then needs a reset or is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from agent import findings
from agent.contract import wire
from agent.contract.component_kinds import ComponentKind
from agent.counters import gpu_faults
from agent.probes.gpu import nvidia_smi
from agent.probes.gpu.nvidia_smi import Answer, NvidiaGpu

_TIMEOUT_S = 30.0
# The finding codes for messages of NVIDIA's driver (kernel/rules/gpus.py).
_QUOTED = frozenset({"gpu.xid", "gpu.remap_pending", "gpu.remap_failed", "gpu.driver_error", "gpu.needs_reset"})


def states(
    said: Iterable[wire.Finding], ask: Callable[[], Answer] = lambda: nvidia_smi.ask(_TIMEOUT_S)
) -> list[wire.Finding]:
    """Findings from the present state of each card that the log names. The driver is asked only if the log names a
    card. If it does not answer at all, the log's findings stand alone."""
    named = {one.component for one in said if one.code in _QUOTED and one.component_kind == ComponentKind.GPU}
    if not named or not (answer := ask()).cards:
        return []
    by_name = {name: card for card in answer.cards for name in (card.name, card.pci)}
    found: list[wire.Finding] = []
    for name in sorted(named):
        found += _of_card(by_name[name], name) if name in by_name else [_lost(name)]
    return found


def _of_card(card: NvidiaGpu, name: str) -> list[wire.Finding]:
    found = gpu_faults.of_card(card)
    if card.remap_failed:
        message = f"{card.pci}: memory rows could not be remapped"
        found.append(findings.make("gpu.remap_failed", "gpu", name, message))
    if card.memory.worn_out:
        message = f"{card.pci}: the card says of its memory: {', '.join(card.memory.worn_out)}"
        found.append(findings.make("gpu.memory_worn_out", "gpu", name, message))
    return found


def _lost(name: str) -> wire.Finding:
    message = f"{name}: after the kernel named it, its driver does not list the card any more"
    return findings.make("gpu.lost", "gpu", name, message)
