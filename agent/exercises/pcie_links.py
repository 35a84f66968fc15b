"""What a PCIe link must do: width and speed, compared with what both of its ends support."""

from __future__ import annotations

from agent import findings
from agent.contract import stage_values, wire
from agent.probes.bus.pcilink import Link
from agent.sensors.chip import Part
from agent.stage import StageContext
from agent.stages.inventory_check.spec import Limits

_STAGE = "InventoryCheck"


def limits_of(ctx: StageContext) -> Limits:
    """InventoryCheck's limits. They are for the host's slots, so they hold in every stage that sees a link."""
    order = next((one for one in ctx.claim.stages if one.name == _STAGE), None)
    if order is None:
        return Limits(100, 100)
    return stage_values.read(Limits, order.limits, f"stages.{order.name}.limits")


def is_narrow(link: Link, limits: Limits) -> bool:
    return 100 * link.width < link.max_width * limits.pcie_width_min_percent


def slow(
    link: Link, part: Part, slot: str, limits: Limits, by: str = "the firmware or the kernel"
) -> list[wire.Finding]:
    """A finding if the link is slower than both ends support. A limit that somebody has set is reported, since the
    kernel also sets one on a link that failed to train. `by` says who may have set it."""
    allowed = min(link.max_speed_gts, link.limit_gts or link.max_speed_gts)
    words = f"{slot}: {text(link)}"
    if 100 * link.speed_gts < allowed * limits.pcie_speed_min_percent:
        return [_finding("pcie.link_slow", part, words, link.speed_gts, allowed)]
    if allowed < link.max_speed_gts and link.speed_gts <= allowed:
        words += f", limited to {allowed:g} GT/s by {by}"
        return [_finding("pcie.link_limited", part, words, allowed, link.max_speed_gts)]
    return []


def text(link: Link) -> str:
    return (
        f"x{link.width} at {link.speed_gts:g} GT/s, both ends support x{link.max_width} at {link.max_speed_gts:g} GT/s"
    )


def _finding(code: str, part: Part, message: str, value: float, limit: float) -> wire.Finding:
    return findings.make(code, part.kind, part.name, message, value=value, limit=limit, unit="GT/s")
