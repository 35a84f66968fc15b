"""Links that run below what both ends support: PCIe, network, USB. A card that is not fully seated, or a cable with a
broken pair, still works, but slowly."""

from __future__ import annotations

from pathlib import Path

from agent import findings
from agent.contract import wire
from agent.counters.component_names import Names
from agent.exercises import pcie_links
from agent.host.shell import Completed
from agent.parsing import ParseError
from agent.probes.bus import display_cards, pcilink, usblink
from agent.probes.network import ethtool, nics
from agent.reports import checks
from agent.reports.partial_report import PartialReport
from agent.sensors.chip import Part
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
    report.evidence["pcie-links"] = "\n".join(f"{slot}: {pcie_links.text(link)}" for slot, link in links.items())
    for slot in pcilink.silent(ROOT):
        why = f"{slot} does not answer: all of its configuration reads as ones"
        report.checks.append(checks.not_tested("pcie_links", slot, reason=why, topic="pcie_links"))
    if links:
        report.checks.append(checks.judged("pcie_links", found, reason=f"{len(links)} links"))
    else:
        report.checks.append(checks.not_tested("pcie_links", reason="no PCIe link is known here", topic="pcie_links"))


def _narrow(ctx: StageContext, names: Names, slot: str, link: pcilink.Link) -> list[wire.Finding]:
    """Compares width and speed with what both ends support. Of a graphics card, which is idle now, the speed says
    nothing, and fewer lanes are a warning if its driver may have taken them off."""
    blamed, limits, found = names.part("pci", slot), ctx.limits(Limits), []
    part = Part(blamed.kind, blamed.name or "system")
    card = display_cards.of_link(slot, ROOT)
    if pcie_links.is_narrow(link, limits):
        words, severity = f"{slot}: {pcie_links.text(link)}", wire.Severity.CRITICAL
        if card and display_cards.may_lack_lanes(card, ROOT):
            words, severity = f"{words}; its driver may use fewer while it is idle", wire.Severity.WARNING
        found = [findings.make("pcie.link_reduced", part.kind, part.name, words, value=float(link.width),
                               limit=float(link.max_width), unit="lanes", severity=severity)]  # fmt: skip
    return found if card else [*found, *pcie_links.slow(link, part, slot, limits)]


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
