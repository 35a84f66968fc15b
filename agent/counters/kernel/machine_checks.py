"""Machine checks and the firmware's error reports in the kernel's log. Several lines say one after the other that
something happened, how severe it was, and to which part. No I/O here.

The firmware's reports (APEI) carry a mark, `{5}[Hardware Error]:`, since other lines may come between theirs. One
report has a section for each error. Where the firmware logs Intel's machine checks for the kernel (eMCA), such a report
comes in their place, and its mark is only `{5}`. Wordings: drivers/firmware/efi/cper*.c, drivers/acpi/apei/ghes.c and
bert.c, drivers/acpi/acpi_extlog.c, arch/x86/kernel/cpu/mce/core.c, drivers/edac/mce_amd.c.
"""

from __future__ import annotations

import re

from agent.contract.wire import Severity
from agent.counters.kernel.boot import AT_BOOT_US, Boot
from agent.counters.kernel.error_report import Report, is_of_processor
from agent.counters.kernel.kmsg_record import Hit, Record

# Lines of one report follow each other within this time.
SAME_REPORT_US = 500_000

# The kernel prints no more than this at once. A recording without times would keep all.
OPEN_REPORTS = 32

_OURS = re.compile(
    r"\[Hardware Error\]|mce:.{0,60}Machine Check|BERT: (?:Error records from previous boot|Total records)|"
    r"^\{\d{1,10}\}(?!\[)"
)
_IGNORED = re.compile(
    r"Machine check (?:exception )?polling|MCE banks|CMCI storm|"
    r"BERT: (?:\[Hardware Error\]: Skipped|Total records found: 0)",
    re.IGNORECASE,
)
_LOGGED = re.compile(r"Machine check events logged", re.IGNORECASE)
_MARKED = re.compile(r"(?:\{(?P<mark>\d{1,10})\})?\[Hardware Error\]: ?(?P<text>.*)")
_MARKED_BY_EXTLOG = re.compile(r"^(?P<mark>\{\d{1,10}\})(?P<text>.*)")


def belongs_to_a_report(text: str) -> bool:
    """Whether the line is one of several that make up a report."""
    return _OURS.search(text) is not None and _IGNORED.search(text) is None


def _without_mark(text: str) -> tuple[str, str]:
    """The line's mark and the rest. Both drivers number their reports from 1, so acpi_extlog's mark keeps its
    braces."""
    match = _MARKED.search(text) or _MARKED_BY_EXTLOG.search(text)
    return (match["mark"] or "", match["text"]) if match else ("", text)


class Reports:
    """`look` takes the lines in their order and returns the reports that have ended. `flush` returns the rest."""

    def __init__(self) -> None:
        self._open: dict[str, Report] = {}
        self._logged: Record | None = None
        self._heard_us = -SAME_REPORT_US - 1
        self._from_before_us = -1
        self._boot = Boot()

    def look(self, record: Record) -> list[Hit] | None:
        """None for a line that belongs to no report."""
        self._boot.look(record)
        if not belongs_to_a_report(record.text):
            return None
        done = self._ended(record.time_us)
        if _LOGGED.search(record.text):
            self._note_machine_check(record)
            return done
        mark, text = _without_mark(record.text)
        if record.text.startswith("BERT:"):
            self._from_before_us = record.time_us
        report = self._report(mark, text, record, done)
        report.learn(text)
        report.until_us = self._heard_us = record.time_us + SAME_REPORT_US
        self._logged = None
        return done

    def flush(self) -> list[Hit]:
        """The reports so far. Lines that still follow belong to them and make no new reports."""
        done = [hit for report in self._open.values() for hit in report.news()]
        return [*done, *self._alone()]

    def _report(self, mark: str, text: str, record: Record, done: list[Hit]) -> Report:
        known = self._open.get(mark)
        if known is not None and not known.ends_before(text):
            return known
        if known is not None:
            done += known.news()
        elif len(self._open) >= OPEN_REPORTS:
            done += self._open.pop(next(iter(self._open))).news()
        self._open[mark] = Report(record, is_old=self._is_old(mark, text, record))
        return self._open[mark]

    def _is_old(self, mark: str, text: str, record: Record) -> bool:
        """Whether the report is about the last boot (BERT): the kernel prints those without a mark."""
        near = self._from_before_us >= 0 and record.time_us <= self._from_before_us + SAME_REPORT_US
        return self._is_left_over(record) or (near and not mark and not is_of_processor(text))

    def _is_left_over(self, record: Record) -> bool:
        """Whether the line came in the kernel's start: before any load, it collects old errors that the banks and the
        firmware still hold."""
        return record.time_us < AT_BOOT_US or self._boot.is_on

    def _note_machine_check(self, record: Record) -> None:
        """Note the line `Machine check events logged`: there was a machine check, perhaps the one that another line
        reports."""
        if record.time_us > self._heard_us and self._logged is None:
            self._logged = record

    def _ended(self, now_us: int) -> list[Hit]:
        over = [mark for mark, report in self._open.items() if report.until_us < now_us]
        done = [hit for mark in over for hit in self._open.pop(mark).news()]
        if self._logged is not None and self._logged.time_us + SAME_REPORT_US < now_us:
            done += self._alone()
        return done

    def _alone(self) -> list[Hit]:
        record, self._logged = self._logged, None
        if record is None:
            return []
        code = "system.error_before_boot" if self._is_left_over(record) else "system.machine_check_logged"
        return [Hit(record, code, Severity.WARNING)]
