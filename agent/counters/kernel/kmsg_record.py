"""One record of the kernel's log, and what it may mean."""

from __future__ import annotations

from dataclasses import dataclass

from agent.contract.wire import Severity


@dataclass(frozen=True)
class Record:
    """One record of /dev/kmsg. `device` is the kernel's own name for the device it is about (`+pci:0000:03:00.0`,
    `b8:0`)."""

    seq: int
    time_us: int
    level: int
    text: str
    device: str = ""
    from_user: bool = False


@dataclass(frozen=True)
class Hit:
    """A record that says something about the hardware, and the device in the kernel's words. `names` is the kind of
    `name`: blk (sda), net (eth0), pci (0000:03:00.0), gpu (a PCI address, often without function), ata (ata3), mmc
    (mmc0), nvme (nvme0), scsi (0:0:1:0), cpu (3), package (a socket's number), dimm (a label), address (a physical one,
    hexadecimal), frame (the number of a page of 4 KiB, hexadecimal), hba (a driver and its number, mpt3sas_cm0 or
    ioc0), word (no known part), or nothing. `said` is what a finding quotes instead of the
    record's text. The record tells of `times` errors. `is_report`: it is the first line of a report of several
    lines."""

    record: Record
    code: str
    severity: Severity
    names: str = ""
    name: str = ""
    said: str = ""
    times: int = 1
    is_report: bool = False
