"""Links that run below what both ends support: PCIe, network, USB. A card that is not fully seated, or a cable with a
broken pair, still works, but slowly."""

from __future__ import annotations

from pathlib import Path

from agent import findings
from agent.contract import wire
from agent.counters.component_names import Names
from agent.host.shell import Completed
from agent.parsing import ParseError
from agent.probes.bus import display_cards, pcilink, usblink
from agent.probes.network import ethtool, nics
from agent.reports import checks
from agent.reports.partial_report import PartialReport
from agent.stage import StageContext
from agent.stages.inventory_check.spec import Limits

ROOT = Path("/")


def look(ctx: StageContext, inventory: wire.Inventory) -> PartialReport:
    report = PartialReport()
    _pcie(ctx, Names(ROOT, inventory), report)
    spare = nics.spare_macs(ctx.claim.expected)
    for nic in inventory.nics:
        if nic.link and nic.mac.lower() not in spare:
            judge_nic(nic, ethtool.run_link(nic.name), report)
    _usb(report)
    return report


def _pcie(ctx: StageContext, names: Names, report: PartialReport) -> None:
    links = {slot: link for slot in pcilink.lower_ends(ROOT) if (link := pcilink.read(slot, ROOT))}
    found = [one for slot, link in links.items() for one in _narrow(ctx, names, slot, link)]
    report.findings += found
    report.evidence["pcie-links"] = "\n".join(f"{slot}: {_widths_and_speeds(link)}" for slot, link in links.items())
    for slot in pcilink.silent(ROOT):
        why = f"{slot} does not answer: all of its configuration reads as ones"
        report.checks.append(checks.not_tested("pcie_links", slot, reason=why, topic="pcie_links"))
    if links:
        report.checks.append(checks.judged("pcie_links", found, reason=f"{len(links)} links"))
    else:
        report.checks.append(checks.not_tested("pcie_links", reason="no PCIe link is known here", topic="pcie_links"))


def _narrow(ctx: StageContext, names: Names, slot: str, link: pcilink.Link) -> list[wire.Finding]:
    """Compares width and speed with what both ends support. A limit that the firmware or the kernel has set is
    reported, since the kernel also sets one on a link that failed to train."""
    blamed = names.part("pci", slot)
    kind, name, found = blamed.kind, blamed.name or "system", []
    if 100 * link.width < link.max_width * ctx.limits(Limits).pcie_width_min_percent:
        words = f"{slot}: {_widths_and_speeds(link)}"
        found.append(
            _finding("pcie.link_reduced", kind, name, words, float(link.width), float(link.max_width), "lanes")
        )
    allowed = min(link.max_speed_gts, link.limit_gts or link.max_speed_gts)
    if display_cards.of_link(slot, ROOT):
        return found
    if 100 * link.speed_gts < allowed * ctx.limits(Limits).pcie_speed_min_percent:
        found.append(
            _finding(
                "pcie.link_slow", kind, name, f"{slot}: {_widths_and_speeds(link)}", link.speed_gts, allowed, "GT/s"
            )
        )
    elif allowed < link.max_speed_gts and link.speed_gts <= allowed:
        words = f"{slot}: {_widths_and_speeds(link)}, limited to {allowed:g} GT/s by the firmware or the kernel"
        found.append(_finding("pcie.link_limited", kind, name, words, allowed, link.max_speed_gts, "GT/s"))
    return found


def _widths_and_speeds(link: pcilink.Link) -> str:
    return (
        f"x{link.width} at {link.speed_gts:g} GT/s, both ends support x{link.max_width} at {link.max_speed_gts:g} GT/s"
    )


def judge_nic(nic: wire.Nic, done: Completed, report: PartialReport) -> None:
    """Adds the check `nic_links` from ethtool's page of settings."""
    try:
        modes, why = ethtool.parse_link(done.stdout), ""
    except ParseError as error:
        modes, why = None, done.trouble_or(error)
    if modes is None or modes.speed_mbit is None or modes.best_mbit is None:
        why = why or "one end of the link does not report its speeds"
        report.checks.append(checks.not_tested("nic_links", nic.mac, reason=f"{nic.name}: {why}", topic="link_speed"))
        return
    found = []
    if modes.speed_mbit < modes.best_mbit:
        words = f"{nic.name}: {modes.speed_mbit} Mbit/s, both ends offer {modes.best_mbit}"
        mbit = (float(modes.speed_mbit), float(modes.best_mbit))
        found = [_finding("network.slow_link", "nic", nic.mac, words, *mbit, "Mbit/s")]
    report.findings += found
    report.checks.append(checks.judged("nic_links", found, nic.mac, reason=f"{modes.speed_mbit} Mbit/s"))


def _usb(report: PartialReport) -> None:
    for device in usblink.slow(ROOT):
        name = device.product or "a device"
        words = f"USB {device.place}: {name} runs at {device.speed_mbit:g} Mbit/s, device and connector support more"
        most = float(usblink.SUPERSPEED_MBIT)
        report.findings.append(_finding("usb.link_slow", "system", "system", words, device.speed_mbit, most, "Mbit/s"))


def _finding(code: str, kind: str, component: str, message: str, value: float, limit: float, unit: str) -> wire.Finding:
    return findings.make(code, kind, component, message, value=value, limit=limit, unit=unit)
