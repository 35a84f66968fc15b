"""Makes a stage's checks and its report. A check has one of three results, each with a reason; a check that is missing
never counts as passed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from agent.contract import wire
from agent.probes.drives import disks as kernel_disks
from agent.stage import NOTHING_EXPECTED, Settled, StageContext, StageReport, settle

# Returns a limit of the profile by its name.
Limit = Callable[[str], float]


def passed(name: str, component: str = "", *, topic: str = "", reason: str = "") -> wire.Check:
    return wire.Check(name, wire.Outcome.PASSED, reason, component, topic)


def failed(name: str, component: str = "", *, reason: str, topic: str = "") -> wire.Check:
    return wire.Check(name, wire.Outcome.FAILED, reason, component, topic)


def not_tested(
    name: str, component: str = "", *, reason: str, topic: str = "", cause: wire.Cause | None = None
) -> wire.Check:
    return wire.Check(name, wire.Outcome.NOT_TESTED, reason, component, topic, cause)


def judged(
    name: str, findings: Iterable[wire.Finding], component: str = "", *, topic: str = "", reason: str = ""
) -> wire.Check:
    """Failed if one of the findings is critical, else passed."""
    critical = [finding.message for finding in findings if finding.severity is wire.Severity.CRITICAL]
    if critical:
        return failed(name, component, reason="; ".join(critical), topic=topic)
    return passed(name, component, topic=topic, reason=reason)


def report(
    ctx: StageContext,
    checks: Iterable[wire.Check],
    *,
    findings: Iterable[wire.Finding] = (),
    also_required: Iterable[str] = (),
    **more: Any,
) -> StageReport:
    """The report of a stage from all its checks. `also_required` adds to the checks that the profile requires."""
    made = list(checks)
    required = [*ctx.order.required, *also_required]
    settled = settle(made, required, ctx.claim.not_expected)
    return _as_settled(settled, checks=made, findings=list(findings), **more)


def nothing_here(names: Iterable[str], why: str) -> StageReport:
    """The report of a stage that has nothing to test on this host, by the host's own spec. Such a stage does not
    count."""
    made = [not_tested(name, reason=why) for name in names]
    return _as_settled(NOTHING_EXPECTED, checks=made)


def _as_settled(settled: Settled, **more: Any) -> StageReport:
    return StageReport(outcome=settled.outcome, reason=settled.reason, cause=settled.cause, **more)


def disk_name(disk: wire.Disk) -> str:
    """The name of a disk in findings: its serial number, or the kernel's name if it has none."""
    return disk.serial or disk.name


def fixed_disks(inventory: wire.Inventory | None) -> list[wire.Disk]:
    """The host's own disks, without USB disks."""
    return [disk for disk in (inventory.disks if inventory else []) if disk.bus != "usb"]


def exchanged(disks: Iterable[wire.Disk], check: str, block: Path | None = None) -> dict[str, wire.Check]:
    """By the kernel's name, a check that is not tested for each disk whose name another drive has now: somebody has
    swapped drives while the host was held open. What the new one answers says nothing about the old one."""
    return {
        disk.name: not_tested(check, disk_name(disk), reason=f"{disk.name} is another drive than in the inventory")
        for disk in disks
        if kernel_disks.is_another(disk, (block or kernel_disks.BLOCK) / disk.name)
    }


def on_usb(ctx: StageContext) -> list[wire.Check]:
    """Checks that name expected disks on USB, such as the stick that a host boots from, as not tested."""
    wanted = {str(disk.get("serial") or "") for disk in ctx.claim.expected.get("disks") or []} - {""}
    return [
        not_tested("usb_disk", disk.serial, reason=f"{disk.name} is on USB: it is neither asked, read nor written")
        for disk in (ctx.inventory.disks if ctx.inventory else [])
        if disk.bus == "usb" and disk.serial in wanted
    ]
