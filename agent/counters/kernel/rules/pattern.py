"""Finds the meaning of a line of the kernel's log, and the device it is about, by a regular expression."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from agent.contract.wire import Severity
from agent.counters.kernel.kmsg_record import Hit, Record

# Domains have four digits, behind an Intel VMD five, in NVIDIA's driver eight.
PCI = r"(?<![0-9a-f])(?<![0-9a-f]:)[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7](?!\d)"
# IFNAMSIZ. Without a bound the time grows with the square of the line's length.
NET = r"[\w.@-]{1,16}"
# Groups of a regex that name a device, the most precise one first.
NAMING = ("net", "blk", "nvme", "ata", "mmc", "scsi", "gpu", "pci", "cpu", "dimm", "address", "frame", "hba", "word")
# `driver 0000:03:00.0 eth0: …`, as dev_printk and netdev_printk begin a line.
_SUBJECT = re.compile(rf"^(?:[\w.-]{{1,32}} )?(?P<pci>{PCI})(?: (?P<net>(?!\(){NET}))?[: ]", re.IGNORECASE)


class Reader(Protocol):
    """Returns what a line means, or None."""

    def read(self, record: Record) -> Hit | None: ...


@dataclass(frozen=True)
class Pattern:
    """The meaning of a line. If the regex has a group with one of the names in NAMING, that group names the device. If
    not, it is the device that the line begins with. A group `times` is the number of errors. EDAC gives 0 if only the
    firmware has counted them: at least one."""

    code: str
    severity: Severity
    regex: re.Pattern[str]

    def read(self, record: Record) -> Hit | None:
        match = self.regex.search(record.text)
        if match is None:
            return None
        times = max(int(match.groupdict().get("times") or 1), 1)
        return Hit(record, self.code, self.severity, *(named(match) or subject(record)), times=times)


def critical(code: str, regex: str) -> Pattern:
    return Pattern(code, Severity.CRITICAL, re.compile(regex, re.IGNORECASE))


def warning(code: str, regex: str) -> Pattern:
    return Pattern(code, Severity.WARNING, re.compile(regex, re.IGNORECASE))


def only_many(code: str, regex: str) -> Pattern:
    """A line that is ordinary if it appears once or twice: information, and a warning only in large numbers."""
    return Pattern(code, Severity.INFO, re.compile(regex, re.IGNORECASE))


def probe_failed(drivers: str) -> str:
    """A driver that gave up its card, in the words of drivers/base/dd.c before 6.5 and since. `drivers` are names
    separated by a bar."""
    return rf"\b(?:(?:{drivers}): probe of (?P<pci>{PCI})|probe with driver (?:{drivers})) failed with error -\d"


def named(match: re.Match[str]) -> tuple[str, str] | None:
    """Kind of name and name of the device that the regex found."""
    groups = match.groupdict()
    return next(((kind, groups[kind].strip()) for kind in NAMING if groups.get(kind)), None)


def subject(record: Record) -> tuple[str, str]:
    """The device that the line begins with, or that the kernel noted beside it."""
    if match := _SUBJECT.match(record.text):
        return named(match) or ("", "")
    return ("pci", record.device[5:]) if record.device.startswith("+pci:") else ("", "")
