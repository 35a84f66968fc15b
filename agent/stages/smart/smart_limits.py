"""Judges a drive's counters. No I/O here: a reading and the profile's limits in, findings out.

Exit status 0 and "PASSED" are not enough: drives with 304 reallocated sectors or 260 grown defects report both. And
another exit status fails no drive: bits 2, 5 and 6 are about the past or about an optional command.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from agent import findings
from agent.contract import wire
from agent.exercises import drive_self_tests
from agent.probes.smart import smart_counts, smart_meanings, smart_wear, smartctl
from agent.probes.smart.smart_nvme import TEMPERATURE_BIT
from agent.reports.checks import Limit
from agent.stages.smart import smart_statements


class Rule(NamedTuple):
    """What is counted: finding code, plain name, the profile's limit above which it is critical ('' for never), the
    limit up to which it is not reported, and what is counted if the code does not say it."""

    code: str
    unit: str
    limit: str
    told_above: str = ""
    noun: str = ""

    @property
    def counted(self) -> str:
        return self.noun or self.code.partition(".")[2].replace("_", " ")


RULES = (
    Rule("smart.reallocated_sectors", "sectors", "reallocated_sectors_max"),
    Rule("smart.retired_blocks", "blocks", "retired_blocks_max"),
    Rule("smart.reported_uncorrectable", "errors", "reported_uncorrectable_max"),
    Rule("smart.command_timeouts", "timeouts", "", "command_timeouts_told_above"),
    Rule("smart.pending_sectors", "sectors", "pending_sectors_max"),
    Rule("smart.uncorrectable_sectors", "sectors", "uncorrectable_sectors_max"),
    Rule("smart.crc_errors", "errors", ""),
    Rule("smart.media_errors", "errors", "media_errors_max"),
    Rule("smart.grown_defects", "defects", "grown_defects_max"),
    Rule("smart.uncorrected_errors", "errors", "uncorrected_errors_max"),
    Rule("smart.background_scan", "places", "background_scan_max", noun="places that its own scan can't read"),
    Rule("smart.end_to_end", "errors", "end_to_end_errors_max", noun="end-to-end errors, inside the drive"),
    Rule("smart.spin_retries", "retries", "spin_retries_max"),
)
# Limits for flash drives, instead of those for hard disks.
_OF_FLASH = {"end_to_end_errors_max": "end_to_end_errors_flash_max"}
# A drive that has run for less than `new_drive_h` may have none of these, even if an old one may.
NEW_DRIVE_HAS_NONE = frozenset({
    "smart.reallocated_sectors", "smart.reported_uncorrectable", "smart.pending_sectors",
    "smart.uncorrectable_sectors", "smart.media_errors", "smart.grown_defects", "smart.uncorrected_errors",
})  # fmt: skip


def judge(smart: smartctl.Smart, device: str, serial: str, limit: Limit) -> list[wire.Finding]:
    """All findings from this reading. `device` is the kernel's name, for the sentences."""
    return [
        *smart_statements.judge(smart, device, serial, limit),
        *smart_statements.unsteady(smart, device, serial),
        *_counted(smart, device, serial, limit),
        *_worn(smart, device, serial, limit),
        *_spare(smart, device, serial, limit),
        *_helium(smart, device, serial, limit),
        *_nvme(smart, device, serial),
        *drive_self_tests.failed(smart.self_test.failure, device, serial),
    ]


def _counted(smart: smartctl.Smart, device: str, serial: str, limit: Limit) -> Iterator[wire.Finding]:
    """Critical above the limit, else a warning: on a part that was just replaced, any such count is worth a look."""
    found = smart_counts.of(smart)
    is_new = smart.power_on_hours is not None and smart.power_on_hours < limit("new_drive_h")
    for rule in RULES:
        if (count := found.get(rule.code, 0)) > (limit(rule.told_above) if rule.told_above else 0):
            strict = is_new and rule.code in NEW_DRIVE_HAS_NONE
            name = _OF_FLASH.get(rule.limit, rule.limit) if smart.is_flash else rule.limit
            most = 0.0 if strict else limit(name) if name else None
            age = f" after {smart.power_on_hours} h: a new drive has none" if strict else ""
            yield findings.make(
                rule.code, "disk", serial, f"{device}: {count} {rule.counted}{age}", value=float(count), limit=most,
                unit=rule.unit,
                severity=wire.Severity.CRITICAL if most is not None and count > most else wire.Severity.WARNING,
            )  # fmt: skip


def _worn(smart: smartctl.Smart, device: str, serial: str, limit: Limit) -> Iterator[wire.Finding]:
    percent, most = smart_wear.used_percent(smart), limit("percentage_used_max")
    if percent is not None and percent >= most:
        message = f"{device}: {percent} % of the rated writes are used"
        yield findings.make("smart.wear", "disk", serial, message, value=float(percent), limit=most, unit="%")


def _spare(smart: smartctl.Smart, device: str, serial: str, limit: Limit) -> Iterator[wire.Finding]:
    """Below its threshold the spare is used up, at it nearly. If a drive sets no threshold, the profile does, but for
    NVMe, where 0 means that there is none (QEMU's drive reports 0 of 0), and so does 100 (Kingston A1000)."""
    for name, left, own in smart_wear.spares(smart):
        least = float(own) if own or smart.nvme else limit("spare_min_percent")
        if not least or left > least or left == 100 or (smart.nvme and least >= 100):
            continue
        severity = wire.Severity.CRITICAL if left < least else wire.Severity.WARNING
        message = f"{device}: {name}: {left} % left, threshold {least:g} %"
        yield findings.make(
            "smart.spare", "disk", serial, message, value=float(left), limit=least, unit="%", severity=severity
        )


def _helium(smart: smartctl.Smart, device: str, serial: str, limit: Limit) -> Iterator[wire.Finding]:
    """A sealed drive has 100. Any loss is a leak, and the maker's own threshold is reached much later."""
    least = limit("helium_min_percent")
    for one in smart.attributes.values():
        if one.meaning.what == smart_meanings.HELIUM and one.value is not None and one.value < 100:
            severity = wire.Severity.CRITICAL if one.value < least else wire.Severity.WARNING
            message = f"{device}: {one.name} is {one.value}, 100 when sealed"
            yield findings.make(
                "smart.helium", "disk", serial, message, value=float(one.value), limit=least, severity=severity
            )


def _nvme(smart: smartctl.Smart, device: str, serial: str) -> Iterator[wire.Finding]:
    if smart.nvme is not None and (bits := smart.nvme.bits):
        message = f"{device}: critical warning 0x{bits:02x}: {_warning_bits(bits)}"
        severity = wire.Severity.WARNING if bits == TEMPERATURE_BIT else wire.Severity.CRITICAL
        yield findings.make(
            "smart.critical_warning", "disk", serial, message, value=float(bits), limit=0.0, severity=severity
        )


def _warning_bits(bits: int) -> str:
    """NVM Express base specification 1.4, figure 194."""
    words = (
        "spare below threshold", "temperature", "reliability degraded", "read only", "volatile backup failed",
        "persistent memory unreliable",
    )  # fmt: skip
    return ", ".join(word for bit, word in enumerate(words) if bits & 1 << bit) or "reserved bit"
