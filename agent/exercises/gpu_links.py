"""The PCIe links of GPUs. An idle card lowers its link's speed, and with some drivers its width, so both are judged
while the card is busy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from agent import findings
from agent.contract import wire
from agent.exercises import pcie_links
from agent.exercises.gpu_names import TOPIC, name_of
from agent.probes.bus import display_cards, pcilink
from agent.probes.bus.pcilink import Link
from agent.probes.gpu.nvidia_smi import NvidiaGpu
from agent.reports import checks
from agent.reports.partial_report import PartialReport
from agent.sensors.chip import Part
from agent.stage import StageContext

ROOT = Path("/")
WIDTH, SPEED = "link", "link_speed"
# A look counts if kernels ran on the card for at least this part of the last second. A driver that has just opened an
# idle card may report work of its own for a moment, so one look is not enough.
_BUSY_PERCENT, _LOOKS_MIN = 50, 3
_WHO_LIMITS = "the firmware, the kernel or the driver"


@dataclass(frozen=True)
class _Seen:
    """`link` has the most lanes and the highest speed of all looks at a busy card."""

    name: str
    link: Link
    looks: int


class BusyLinks:
    """The links of the cards at the moments at which they were busy."""

    def __init__(self) -> None:
        self._by_slot: dict[str, _Seen] = {}

    def look(self, card: NvidiaGpu) -> None:
        if (card.busy_percent or 0) < _BUSY_PERCENT or (link := of_card(card.pci)) is None:
            return
        link = replace(link, limit_gts=_lowest(link.limit_gts, pcilink.SPEEDS_GTS.get(card.max_link_gen or 0)))
        seen = self._by_slot.get(card.pci)
        best, looks = (_better(seen.link, link), seen.looks + 1) if seen else (link, 1)
        self._by_slot[card.pci] = _Seen(card.name, best, looks)

    def known(self) -> dict[str, Link]:
        """By the card's slot, for cards that were seen busy often enough."""
        return {slot: seen.link for slot, seen in self._by_slot.items() if seen.looks >= _LOOKS_MIN}

    def judge(self, ctx: StageContext, report: PartialReport) -> None:
        """The check `link_speed` for each card that was busy. Nothing is said about the others."""
        for slot, link in self.known().items():
            name = self._by_slot[slot].name
            found = pcie_links.slow(link, Part("gpu", name), slot, pcie_links.limits_of(ctx), _WHO_LIMITS)
            report.findings += found
            reason = f"{link.speed_gts:g} GT/s under load"
            report.checks.append(checks.judged(SPEED, found, name, topic=TOPIC, reason=reason))


def of_card(slot: str) -> Link | None:
    return pcilink.read(display_cards.in_slot(slot, ROOT), ROOT)


def at_rest(present: list[wire.Gpu]) -> dict[str, Link]:
    return {gpu.pci: link for gpu in present if (link := of_card(gpu.pci))}


def widths(
    ctx: StageContext, present: list[wire.Gpu], resting: Mapping[str, Link], busy: Mapping[str, Link]
) -> PartialReport:
    """The check `link` for each card: from when it was busy, else from before the load."""
    report, limits = PartialReport(), pcie_links.limits_of(ctx)
    for gpu in present:
        link, name = busy.get(gpu.pci) or resting.get(gpu.pci), name_of(gpu)
        if link is None:
            report.checks.append(_not_tested(name, f"{gpu.pci}: the kernel knows no PCIe link"))
            continue
        narrow = pcie_links.is_narrow(link, limits)
        if narrow and gpu.pci not in busy and display_cards.may_lack_lanes(gpu.pci, ROOT):
            why = f"{gpu.pci}: x{link.width} of x{link.max_width} lanes, and its driver may use fewer while it is idle"
            report.checks.append(_not_tested(name, why))
            continue
        found = [_narrow(gpu, link)] if narrow else []
        reason = f"x{link.width}, {link.speed_gts:g} GT/s"
        report.findings += found
        report.checks.append(checks.judged(WIDTH, found, name, topic=TOPIC, reason=reason))
    return report


def _not_tested(name: str, why: str) -> wire.Check:
    return checks.not_tested(WIDTH, name, reason=why, topic=TOPIC)


def _narrow(gpu: wire.Gpu, link: Link) -> wire.Finding:
    message = f"{gpu.pci}: x{link.width} of x{link.max_width} lanes"
    value, limit = float(link.width), float(link.max_width)
    return findings.make("gpu.link_width", "gpu", name_of(gpu), message, value=value, limit=limit)


def _better(one: Link, other: Link) -> Link:
    fastest = max(one, other, key=lambda link: link.speed_gts)
    return replace(fastest, width=max(one.width, other.width))


def _lowest(*limits: float | None) -> float | None:
    return min((limit for limit in limits if limit is not None), default=None)
