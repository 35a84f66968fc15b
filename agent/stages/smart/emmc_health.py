"""Judges the health of eMMCs and SD cards."""

from __future__ import annotations

from agent import findings
from agent.contract import wire
from agent.probes.drives import emmc
from agent.probes.drives.emmc import Health
from agent.reports import checks
from agent.reports.checks import Limit
from agent.reports.partial_report import PartialReport

TOPIC = "smart"


def judge(disk: wire.Disk, health: Health, limit: Limit) -> PartialReport:
    """The check `health`. Without the state of the spare blocks it is not tested: SD cards and old eMMCs have none."""
    name, found = checks.disk_name(disk), [*_spare(disk, health), *_worn(disk, health, limit)]
    check = checks.judged("health", found, name, topic=TOPIC)
    if check.outcome is wire.Outcome.PASSED and (health.spare is None or health.is_use_unread):
        why = f"{disk.name}: an SD card, or an eMMC that does not report the state of its spare blocks"
        if health.is_use_unread:
            why = f"{disk.name}: what it reports as its use (life_time) has no meaning in the standard"
        check = checks.not_tested("health", name, reason=why, topic=TOPIC)
    numbers = {} if health.used_percent is None else {f"used_percent.{name}": float(health.used_percent)}
    return PartialReport([check], found, numbers)


def _spare(disk: wire.Disk, health: Health) -> list[wire.Finding]:
    words = {emmc.WARNING: "80 % of the spare blocks are used", emmc.URGENT: "90 % of the spare blocks are used"}
    if health.spare not in words:
        return []
    severity = wire.Severity.CRITICAL if health.spare == emmc.URGENT else wire.Severity.WARNING
    message = f"{disk.name}: {words[health.spare]}"
    return [findings.make("smart.spare", "disk", checks.disk_name(disk), message, severity=severity)]


def _worn(disk: wire.Disk, health: Health, limit: Limit) -> list[wire.Finding]:
    """The card reports a range of ten percent. Above 100 % the lifetime is exceeded."""
    used, most = health.used_percent, limit("percentage_used_max")
    if used is None or used <= most:
        return []
    message = f"{disk.name}: {used - 10} to {used} % of its lifetime is used"
    name = checks.disk_name(disk)
    return [findings.make("smart.wear", "disk", name, message, value=float(used), limit=most, unit="%")]
