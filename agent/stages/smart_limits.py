"""What a drive's counters mean. Pure: a reading and the profile's limits in, findings out.

Exit status 0 and "PASSED" are not enough: drives with 304 reallocated sectors or 260 grown defects say both. And a
status that isn't 0 condemns nobody: bits 2, 5 and 6 tell of the past or of an optional command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from agent import findings, wire
from agent.probes import smartctl

Limit = Callable[[str], float]


class Rule(NamedTuple):
    """An ATA attribute: number, finding code, the profile's limit above which it is critical ('' for never), and
    whether any count above zero is told as a warning."""

    number: int
    code: str
    limit: str
    unit: str


# Attributes of which vendors agree what they count: D. Pinheiro et al., FAST '07, and Backblaze's yearly reports.
RULES = (
    Rule(5, "smart.reallocated_sectors", "reallocated_sectors_max", "sectors"),
    Rule(187, "smart.reported_uncorrectable", "reported_uncorrectable_max", "errors"),
    Rule(188, "smart.command_timeouts", "", "timeouts"),
    Rule(197, "smart.pending_sectors", "pending_sectors_max", "sectors"),
    Rule(198, "smart.uncorrectable_sectors", "uncorrectable_sectors_max", "sectors"),
    Rule(199, "smart.crc_errors", "", "errors"),
)


def judge(smart: smartctl.Smart, device: str, serial: str, limit: Limit) -> list[wire.Finding]:
    """Everything that this reading says against the drive. `device` is the kernel's name for the sentences."""
    return [
        *_verdict(smart, device, serial),
        *_ata(smart, device, serial, limit),
        *_nvme(smart, device, serial, limit),
        *_scsi(smart, device, serial, limit),
    ]


def self_test_failed(test: smartctl.SelfTest, device: str, serial: str) -> list[wire.Finding]:
    if test.passed is not False:
        return []
    message = f"{device}: self-test failed: {test.words} ({test.newest})"
    return [findings.make("smart.self_test_failed", "disk", serial, message, value=test.words)]


def _verdict(smart: smartctl.Smart, device: str, serial: str) -> Iterator[wire.Finding]:
    """The drive's own words. Bit 7 counts only while the newest test is a failed one."""
    if smart.passed is False or smart.exit_status & smartctl.FAILING:
        yield findings.make("smart.failing", "disk", serial, f"{device}: the drive says that it is failing")
    failing = [a for a in smart.attributes.values() if a.failed == "now"]
    for attribute in failing:
        message = f"{device}: {attribute.name} is {attribute.value}, at its threshold of {attribute.threshold}"
        yield findings.make(
            "smart.prefail", "disk", serial, message, value=float(attribute.value), limit=float(attribute.threshold)
        )
    if smart.exit_status & smartctl.PREFAIL and not failing:
        yield findings.make("smart.prefail", "disk", serial, f"{device}: a pre-failure attribute is at its threshold")
    if smart.exit_status & smartctl.PAST_PREFAIL:
        yield findings.make("smart.past_prefail", "disk", serial, f"{device}: an attribute was at its threshold before")
    if smart.exit_status & smartctl.SELF_TEST_LOG:
        yield from self_test_failed(smart.self_test, device, serial)
    if smart.error_log_count:
        message = f"{device}: {smart.error_log_count} errors in the drive's log"
        yield findings.make(
            "smart.error_log", "disk", serial, message, value=float(smart.error_log_count), severity=wire.Severity.INFO
        )


def _ata(smart: smartctl.Smart, device: str, serial: str, limit: Limit) -> Iterator[wire.Finding]:
    for rule in RULES:
        attribute = smart.attributes.get(rule.number)
        # Seagate packs three counters of 16 bits into attribute 188; the lowest is the number of timeouts.
        count = attribute.raw & 0xFFFF if attribute and rule.number == 188 else attribute.raw if attribute else 0
        if count > 0:
            yield _count(rule.code, device, serial, count, rule.unit, limit(rule.limit) if rule.limit else None)


def _nvme(smart: smartctl.Smart, device: str, serial: str, limit: Limit) -> Iterator[wire.Finding]:
    health = smart.nvme
    if health is None:
        return
    if health.critical_warning:
        message = (
            f"{device}: critical warning 0x{health.critical_warning:02x}: {_warning_words(health.critical_warning)}"
        )
        yield findings.make(
            "smart.critical_warning", "disk", serial, message, value=float(health.critical_warning), limit=0.0
        )
    if health.media_errors:
        yield _count("smart.media_errors", device, serial, health.media_errors, "errors", limit("media_errors_max"))
    used, most = health.percentage_used, limit("percentage_used_max")
    if used is not None and used >= most:
        message = f"{device}: {used} % of the rated writes are used"
        yield findings.make("smart.wear", "disk", serial, message, value=float(used), limit=most, unit="%")
    spare, least = health.spare_percent, health.spare_threshold_percent
    # A threshold of 0 means that the drive sets none (QEMU's reports 0 of 0).
    if spare is not None and least and spare <= least:
        message = f"{device}: {spare} % spare blocks left, threshold {least} %"
        yield findings.make("smart.spare", "disk", serial, message, value=float(spare), limit=float(least), unit="%")


def _scsi(smart: smartctl.Smart, device: str, serial: str, limit: Limit) -> Iterator[wire.Finding]:
    if smart.grown_defects:
        yield _count("smart.grown_defects", device, serial, smart.grown_defects, "defects", limit("grown_defects_max"))
    if smart.uncorrected_errors:
        most = limit("uncorrected_errors_max")
        yield _count("smart.uncorrected_errors", device, serial, smart.uncorrected_errors, "errors", most)


def _count(code: str, device: str, serial: str, count: int, unit: str, most: float | None) -> wire.Finding:
    """Above the limit critical, else a warning: any such count is worth a look on a part that was just replaced."""
    bad = most is not None and count > most
    title = code.partition(".")[2].replace("_", " ")
    return findings.make(
        code, "disk", serial, f"{device}: {count} {title}", value=float(count), limit=most, unit=unit,
        severity=wire.Severity.CRITICAL if bad else wire.Severity.WARNING,
    )  # fmt: skip


def _warning_words(bits: int) -> str:
    """NVM Express base specification 1.4, figure 194."""
    words = (
        "spare below threshold", "temperature", "reliability degraded", "read only", "volatile backup failed",
        "persistent memory unreliable",
    )  # fmt: skip
    return ", ".join(word for bit, word in enumerate(words) if bits & 1 << bit) or "reserved bit"
