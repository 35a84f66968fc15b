"""Reads a record of the kernel's log and finds what it says about the hardware. No I/O here."""

from __future__ import annotations

from dataclasses import replace

from agent.counters.kernel.given_up import GivenUp
from agent.counters.kernel.kmsg_record import Hit, Record
from agent.counters.kernel.machine_checks import Reports
from agent.counters.kernel.pcie_requests import PcieRequests
from agent.counters.kernel.refusals import Refusals
from agent.counters.kernel.rules import IGNORED, read
from agent.parsing import count

# The kernel's own lines are shorter than this (LOG_LINE_MAX in kernel/printk/printk.c). A longer one was written by a
# program.
LINE_CHARS = 1024


def parse(line: str) -> Record | None:
    """One read of /dev/kmsg: `prefix;text`, then ` KEY=value` lines. None for anything that is no record."""
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
    """Finds what each record means. The lines of one machine check make one report, and a PCIe error has several lines,
    too; `flush` returns the last ones."""

    def __init__(self) -> None:
        self._reports = Reports()
        self._given_up = GivenUp()
        self._refusals = Refusals()
        self._requests = PcieRequests()

    def look(self, record: Record) -> list[Hit]:
        """What a record of the kernel says about the hardware; empty if nothing. Of lines that programs wrote, only
        those of udev are read, and only as a reason for what the kernel says."""
        if len(record.text) > LINE_CHARS:
            record = replace(record, text=record.text[:LINE_CHARS])
        if record.from_user:
            self._given_up.note(record)
            return []
        if IGNORED.search(record.text):
            return []
        reported = self._reports.look(record)
        if reported is not None:
            return reported
        hit = self._refusals.look(record, self._given_up.look(record, read(record)))
        return self._requests.look(record, hit)

    def flush(self) -> list[Hit]:
        return [*self._reports.flush(), *self._requests.flush()]
