"""Machine checks and the firmware's error reports in the kernel's log: several lines that say, one after the other,
that something happened, how grave it was and to which part. No I/O here.

Wordings: arch/x86/kernel/cpu/mce/core.c, drivers/edac/mce_amd.c, drivers/firmware/efi/cper.c, drivers/acpi/apei/."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.kmsg_record import Hit, Record
from agent.wire import Severity

# Lines of one report follow each other within this time.
SAME_REPORT_US = 500_000
# What the banks and the firmware still held from before is collected while the kernel starts, before any load.
AT_BOOT_US = 10_000_000
# IA32_MCi_STATUS, Intel SDM volume 3B, 16.3.2.2: uncorrected; compound codes 0000_0000_1MMM_CCCC are the memory's.
UNCORRECTED_BIT = 1 << 61
MEMORY_MASK, MEMORY_CODE = 0xFF80, 0x0080

_OURS = re.compile(r"\[Hardware Error\]|mce:.*Machine Check|BERT: (?:Error records from previous boot|Total records)")
_IGNORED = re.compile(r"Machine check polling|MCE banks|BERT: \[Hardware Error\]: Skipped", re.IGNORECASE)
_LOGGED = re.compile(r"Machine check events logged", re.IGNORECASE)
_BANK = re.compile(
    r"CPU (?P<cpu>\d+): Machine Check(?P<exception> Exception)?: [0-9a-f]+ Bank \d+: (?P<status>[0-9a-f]+)", re.I
)
_BEGINS = re.compile(
    r"Hardware error from APEI|Machine check events logged|CPU \d+: Machine Check|event severity:|"
    r"(?:Corrected|Deferred) error, no action|Uncorrected, software|System Fatal error",
    re.IGNORECASE,
)
_UNCORRECTED = re.compile(
    r"severity: (?:fatal|recoverable)|Uncorrected, software|System Fatal error|Deferred error", re.I
)
_CORRECTED = re.compile(r"severity: (?:corrected|info)|\bCorrected error|corrected by h/w", re.IGNORECASE)
_CPU = re.compile(r"\bCPU[ :#]*(?P<name>\d+)")
_PCI = re.compile(r"device_id: (?P<name>[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f])", re.IGNORECASE)
_DIMM = re.compile(r"DIMM location: (?!not present)(?P<name>\S.*)", re.IGNORECASE)
_MEMORY = re.compile(r"section_type: memory error|Memory Controller|DRAM ECC", re.IGNORECASE)
_PCIE = re.compile(r"section_type: PCIe error", re.IGNORECASE)
# Kind of part → code of a corrected and of an uncorrected error.
_CODES = {
    "cpu": ("cpu.corrected_machine_check", "cpu.machine_check"),
    "memory": ("memory.corrected", "memory.uncorrected"),
    "pcie": ("pcie.corrected", "pcie.uncorrected"),
}


@dataclass
class Report:
    """What the lines so far said. `severity` is None until one tells; `is_told` once it became a hit."""

    first: Record
    until_us: int
    is_old: bool
    severity: Severity | None = None
    kind: str = "cpu"
    names: str = ""
    name: str = ""
    says_only_that: bool = True
    is_told: bool = False


class Reports:
    """`look` takes the lines in their order and gives a report when the next one begins; `flush` what is left."""

    def __init__(self) -> None:
        self._now: Report | None = None

    def look(self, record: Record) -> list[Hit] | None:
        """None for a line that belongs to no report."""
        if not _OURS.search(record.text) or _IGNORED.search(record.text):
            return None
        done: list[Hit] = []
        if self._now is None or self._begins_another(self._now, record):
            done, self._now = self.flush(), Report(record, 0, is_old=record.time_us < AT_BOOT_US)
        _learn(self._now, record)
        return done

    def flush(self) -> list[Hit]:
        """The report so far. Lines that still follow belong to it and make no second one."""
        report = self._now
        if report is None or report.is_told:
            return []
        report.is_told = True
        return [_hit(report)]

    @staticmethod
    def _begins_another(report: Report, record: Record) -> bool:
        is_complete = report.severity is not None and bool(report.name or report.is_told)
        return record.time_us > report.until_us or (is_complete and _BEGINS.search(record.text) is not None)


def _learn(report: Report, record: Record) -> None:
    text = record.text
    report.until_us = record.time_us + SAME_REPORT_US
    if text.startswith("BERT:"):
        report.is_old = True
        return
    if _LOGGED.search(text):
        return
    if report.says_only_that:
        report.first, report.says_only_that = record, False
    _learn_severity(report, text)
    _learn_part(report, text)


def _learn_severity(report: Report, text: str) -> None:
    if bank := _BANK.search(text):
        status = int(bank["status"], 16)
        grave = bool(bank["exception"]) or bool(status & UNCORRECTED_BIT)
        report.is_old = report.is_old and not bank["exception"]
        if status & MEMORY_MASK == MEMORY_CODE:
            report.kind = "memory"
        _raise_to(report, Severity.CRITICAL if grave else Severity.WARNING)
    elif _UNCORRECTED.search(text):
        _raise_to(report, Severity.CRITICAL)
    elif _CORRECTED.search(text):
        _raise_to(report, Severity.WARNING)


def _raise_to(report: Report, severity: Severity) -> None:
    """Graver only; one that was told already is told again."""
    if report.severity is not Severity.CRITICAL and severity is not report.severity:
        report.severity, report.is_told = severity, False


def _learn_part(report: Report, text: str) -> None:
    if _MEMORY.search(text):
        report.kind = "memory"
    elif _PCIE.search(text):
        report.kind = "pcie"
    for names, regex in (("dimm", _DIMM), ("pci", _PCI), ("cpu", _CPU)):
        if not report.name and (match := regex.search(text)):
            report.names, report.name = names, match["name"].strip()


def _hit(report: Report) -> Hit:
    if report.is_old:
        return Hit(report.first, "system.error_before_boot", Severity.WARNING)
    if report.says_only_that:
        return Hit(report.first, "system.machine_check_logged", Severity.WARNING)
    # A report whose gravity nobody read may have been a grave one.
    severity = report.severity or Severity.CRITICAL
    corrected, uncorrected = _CODES[report.kind]
    # The CPU that noticed an error of the memory or of a card is not the one to blame.
    is_its_part = report.names != "cpu" or report.kind == "cpu"
    return Hit(
        report.first,
        uncorrected if severity is Severity.CRITICAL else corrected,
        severity,
        report.names if is_its_part else "",
        report.name if is_its_part else "",
    )
