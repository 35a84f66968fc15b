"""The kernel's log: reading a record, and telling what it says about the hardware. No I/O here."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.kmsg_record import Hit, Record
from agent.machine_checks import Reports
from agent.probes.parsing import count
from agent.wire import Severity


@dataclass(frozen=True)
class Pattern:
    """What a line means. `names` tells what the group `name` of the regex is in the kernel's words: blk
    (sda), net (eth0), pci (0000:03:00.0), ata (ata3), nvme (nvme0), cpu (3), dimm (an EDAC label), or
    nothing."""

    code: str
    severity: Severity
    regex: re.Pattern[str]
    names: str = ""


def _critical(code: str, regex: str, names: str = "") -> Pattern:
    return Pattern(code, Severity.CRITICAL, re.compile(regex, re.IGNORECASE), names)


def _warning(code: str, regex: str, names: str = "") -> Pattern:
    return Pattern(code, Severity.WARNING, re.compile(regex, re.IGNORECASE), names)


_BLK = r"(?P<name>sd[a-z]+|nvme\d+(?:c\d+)?n\d+|vd[a-z]+|mmcblk\d+)"
_PCI = r"(?P<name>[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f])"
_ATA = r"\b(?P<name>ata\d+)(?:\.\d+)?: "
_NET = r"(?P<name>[\w.-]{1,16})"  # IFNAMSIZ; without a bound a long line takes time by the square of its length
_NVME = r"\b(?P<name>nvme\d+)(?:n\d+)?: "

# Said on healthy machines: at boot, by an empty optical or floppy drive, by drivers that introduce themselves.
IGNORED = re.compile(
    r"ACPI (?:BIOS )?Error|link is not ready|EDAC MC: Ver|Shutdown timeout set to|"
    r"EDAC MC\d+: Giving out|(?:I/O error, dev|Buffer I/O error on dev(?:ice)?) (?:sr|fd|loop)\d",
    re.IGNORECASE,
)
# The first that matches says what the line is, so the one that names a device stands before the one that can't.
PATTERNS: tuple[Pattern, ...] = (
    _critical("memory.uncorrected", r"EDAC .*\bUE\b.* on (?P<name>\S+)", "dimm"),
    _critical("memory.uncorrected", r"EDAC .*\bUE\b"),
    _warning("memory.corrected", r"EDAC .*\bCE\b.* on (?P<name>\S+)", "dimm"),
    _warning("memory.corrected", r"EDAC .*\bCE\b"),
    _warning("pcie.corrected", rf"{_PCI}: PCIe Bus Error: severity=Correct", "pci"),
    _critical("pcie.uncorrected", rf"{_PCI}: PCIe Bus Error: severity=(?:Uncorrect|Fatal)", "pci"),
    _critical("pcie.uncorrected", r"PCIe Bus Error: severity=(?:Uncorrect|Fatal)"),
    _critical("pcie.uncorrected", rf"AER:.*(?:Uncorrect|Fatal).*?{_PCI}", "pci"),
    _critical("pcie.uncorrected", r"AER:.*(?:Uncorrect|Fatal)"),
    _critical("pcie.uncorrected", r"NMI: (?:PCI system error|IOCK error)"),
    _critical("memory.uncorrected", r"mce: Uncorrected hardware memory error|Memory failure: 0x[0-9a-f]+: recovery"),
    _critical("disk.medium_error", rf"critical (?:medium|target) error, dev {_BLK}", "blk"),
    _critical("disk.io_error", rf"I/O error,? (?:on )?dev(?:ice)? {_BLK}", "blk"),
    _critical("disk.io_error", r"blk_update_request: .*error|Buffer I/O error"),
    _critical("disk.link_error", rf"{_ATA}.*(?:exception|failed command|hard resetting link)", "ata"),
    _critical(
        "disk.controller_error",
        rf"{_NVME}.*(?:timeout|controller is down|I/O (?:tag )?\d+.*QID|Device not ready|Removing after)",
        "nvme",
    ),
    _critical("gpu.xid", r"NVRM: Xid \(PCI:(?P<name>[0-9a-f:.]+)\)", "pci"),
    _critical(
        "gpu.driver_error",
        rf"amdgpu {_PCI}: .*(?:uncorrectable hardware error|ring \S+ timeout|GPU reset begin)",
        "pci",
    ),
    _critical("nic.transmit_timeout", rf"{_NET}: NETDEV WATCHDOG", "net"),
    _critical("nic.transmit_timeout", rf"NETDEV WATCHDOG: {_NET} \(", "net"),
    _critical("system.lockup", r"soft lockup|hard LOCKUP|rcu.*detected (?:expedited )?stalls?|rcu.*kthread starved"),
    _warning("thermal.throttled", r"CPU(?P<name>\d+): (?:Package|Core) temperature (?:is )?above threshold", "cpu"),
    # A program's own fault is told with its number in brackets, the kernel's is not.
    _warning("system.program_crashed", r"\S\[\d+\]:? (?:segfault at|general protection|trap |bad frame)"),
    _critical("system.kernel_oops", r"BUG: unable to handle|kernel BUG at|general protection fault|\bOops: "),
    _warning("system.hung_task", r"task \S+ blocked for more than \d+ seconds"),
    _warning("system.out_of_memory", r"Out of memory: Killed process"),
)


def parse(line: str) -> Record | None:
    """One read of /dev/kmsg: `prefix;text`, then ` KEY=value` lines. None for what isn't a record."""
    head, semicolon, rest = line.partition(";")
    fields = head.split(",")
    numbers = [number for field in fields[:3] if (number := count(field)) is not None]
    if not semicolon or len(numbers) < 3:
        return None
    text, *more = rest.split("\n")
    priority, seq, time_us = numbers
    device = next((word[8:] for word in more if word.startswith(" DEVICE=")), "")
    return Record(seq, time_us, priority & 7, text, device, from_user=priority >> 3 != 0)


class Classifier:
    """Tells what each record means. The lines of one machine check are one report: `flush` gives the last."""

    def __init__(self) -> None:
        self._reports = Reports()

    def look(self, record: Record) -> list[Hit]:
        """What a record of the kernel says about the hardware, if anything. Lines of programs say nothing."""
        if record.from_user or IGNORED.search(record.text):
            return []
        reported = self._reports.look(record)
        if reported is not None:
            return reported
        for pattern in PATTERNS:
            if match := pattern.regex.search(record.text):
                name = next((word for word in match.groups() if word), "") if pattern.names else ""
                return [Hit(record, pattern.code, pattern.severity, pattern.names, name)]
        return []

    def flush(self) -> list[Hit]:
        return self._reports.flush()
