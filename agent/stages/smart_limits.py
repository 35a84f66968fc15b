"""What a drive's counters mean. Pure: a reading and the profile's limits in, findings out.

Exit status 0 and "PASSED" are not enough: drives with 304 reallocated sectors or 260 grown defects say both. And a
status that isn't 0 condemns nobody: bits 2, 5 and 6 tell of the past or of an optional command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from agent import findings, wire
from agent.probes import smart_counts, smartctl
from agent.stages import self_tests

Limit = Callable[[str], float]


class Rule(NamedTuple):
    """What is counted: finding code, what a person calls it, and the profile's limit above which it is critical ('' for
    never)."""

    code: str
    unit: str
    limit: str


RULES = (
    Rule("smart.reallocated_sectors", "sectors", "reallocated_sectors_max"),
    Rule("smart.reported_uncorrectable", "errors", "reported_uncorrectable_max"),
    Rule("smart.command_timeouts", "timeouts", ""),
    Rule("smart.pending_sectors", "sectors", "pending_sectors_max"),
    Rule("smart.uncorrectable_sectors", "sectors", "uncorrectable_sectors_max"),
    Rule("smart.crc_errors", "errors", ""),
    Rule("smart.media_errors", "errors", "media_errors_max"),
    Rule("smart.grown_defects", "defects", "grown_defects_max"),
    Rule("smart.uncorrected_errors", "errors", "uncorrected_errors_max"),
)
LIMITS = ("new_drive_h", "percentage_used_max", *(rule.limit for rule in RULES if rule.limit))
# A part that has run for less than `new_drive_h` has none of these, whatever an old one may have.
NEW_DRIVE_HAS_NONE = frozenset({
    "smart.reallocated_sectors", "smart.reported_uncorrectable", "smart.pending_sectors",
    "smart.uncorrectable_sectors", "smart.media_errors", "smart.grown_defects", "smart.uncorrected_errors",
})  # fmt: skip


def used(smart: smartctl.Smart) -> int | None:
    """Percent of the rated writes."""
    return smart.nvme.percentage_used if smart.nvme else smart.endurance_used_percent


def judge(smart: smartctl.Smart, device: str, serial: str, limit: Limit) -> list[wire.Finding]:
    """Everything that this reading says against the drive. `device` is the kernel's name for the sentences."""
    return [
        *_verdict(smart, device, serial),
        *_counted(smart, device, serial, limit),
        *_worn(smart, device, serial, limit),
        *_nvme(smart, device, serial),
        *self_tests.failed(smart.self_test.failure, device, serial),
    ]


def _verdict(smart: smartctl.Smart, device: str, serial: str) -> Iterator[wire.Finding]:
    """The drive's own words. Temperature alone is a warning here: it comes and goes, and has a limit of its own."""
    hot = smart.nvme is not None and smart.nvme.critical_warning == smart_counts.TEMPERATURE_BIT
    if (smart.passed is False or smart.exit_status & smartctl.FAILING) and not hot:
        yield findings.make("smart.failing", "disk", serial, f"{device}: the drive says that it is failing")
    failing = [a for a in smart.attributes.values() if a.failed == "now"]
    for attribute in failing:
        message = f"{device}: {attribute.name} is {attribute.value}, at its threshold of {attribute.threshold}"
        yield findings.make(
            "smart.prefail", "disk", serial, message, value=float(attribute.value), limit=float(attribute.threshold),
            severity=wire.Severity.CRITICAL if attribute.prefailure else wire.Severity.WARNING,
        )  # fmt: skip
    if smart.exit_status & smartctl.PREFAIL and not any(attribute.prefailure for attribute in failing):
        yield findings.make("smart.prefail", "disk", serial, f"{device}: a pre-failure attribute is at its threshold")
    if smart.exit_status & smartctl.PAST_PREFAIL:
        yield findings.make("smart.past_prefail", "disk", serial, f"{device}: an attribute was at its threshold before")
    if smart.error_log_count:
        message = f"{device}: {smart.error_log_count} errors in the drive's log"
        yield findings.make(
            "smart.error_log", "disk", serial, message, value=float(smart.error_log_count), severity=wire.Severity.INFO
        )


def _counted(smart: smartctl.Smart, device: str, serial: str, limit: Limit) -> Iterator[wire.Finding]:
    """Above the limit critical, else a warning: any such count is worth a look on a part that was just replaced."""
    found = smart_counts.of(smart)
    is_new = smart.power_on_hours is not None and smart.power_on_hours < limit("new_drive_h")
    for rule in RULES:
        if count := found.get(rule.code):
            strict = is_new and rule.code in NEW_DRIVE_HAS_NONE
            most = 0.0 if strict else limit(rule.limit) if rule.limit else None
            title = rule.code.partition(".")[2].replace("_", " ")
            age = f" after {smart.power_on_hours} h: a new drive has none" if strict else ""
            yield findings.make(
                rule.code, "disk", serial, f"{device}: {count} {title}{age}", value=float(count), limit=most,
                unit=rule.unit,
                severity=wire.Severity.CRITICAL if most is not None and count > most else wire.Severity.WARNING,
            )  # fmt: skip


def _worn(smart: smartctl.Smart, device: str, serial: str, limit: Limit) -> Iterator[wire.Finding]:
    percent, most = used(smart), limit("percentage_used_max")
    if percent is not None and percent >= most:
        message = f"{device}: {percent} % of the rated writes are used"
        yield findings.make("smart.wear", "disk", serial, message, value=float(percent), limit=most, unit="%")


def _nvme(smart: smartctl.Smart, device: str, serial: str) -> Iterator[wire.Finding]:
    health = smart.nvme
    if health is None:
        return
    if bits := health.critical_warning:
        message = f"{device}: critical warning 0x{bits:02x}: {_warning_words(bits)}"
        severity = wire.Severity.WARNING if bits == smart_counts.TEMPERATURE_BIT else wire.Severity.CRITICAL
        yield findings.make(
            "smart.critical_warning", "disk", serial, message, value=float(bits), limit=0.0, severity=severity
        )
    spare, least = health.spare_percent, health.spare_threshold_percent
    # A threshold of 0 means that the drive sets none (QEMU's reports 0 of 0).
    if spare is not None and least and spare <= least:
        message = f"{device}: {spare} % spare blocks left, threshold {least} %"
        yield findings.make("smart.spare", "disk", serial, message, value=float(spare), limit=float(least), unit="%")


def _warning_words(bits: int) -> str:
    """NVM Express base specification 1.4, figure 194."""
    words = (
        "spare below threshold", "temperature", "reliability degraded", "read only", "volatile backup failed",
        "persistent memory unreliable",
    )  # fmt: skip
    return ", ".join(word for bit, word in enumerate(words) if bits & 1 << bit) or "reserved bit"
