"""A drive's self-test log as smartctl prints it, and the commands that start a test and read its state (smartmontools
7.4)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from agent.parsing import clean, integer, mapping, sequence
from agent.probes.smart.gaps import Gaps, whole

SHORT, LONG = "short", "long"
_KINDS = {1: SHORT, 2: LONG}
# ACS-4 table 157.
_KINDS_OF_ATA = {**_KINDS, 3: "conveyance", 4: "selective"}
_SELF_TEST_BIT = 1 << 4
# One sector of the extended log has 19 entries, the older log 21 (ACS-3 tables A.14 and A.20).
_FULL = 19
# The logs of SAS and NVMe drives have 20 entries (SPC-4, self-test results; NVM Express base specification 1.4).
_FULL_OF_OTHERS = 20


@dataclass(frozen=True)
class Entry:
    """One test that is over. `passed` is None for an aborted or interrupted one, which says nothing about the drive.
    `kind` is short, long, a word for any other, or '' if it was not read. `hours` is the drive's age at that time.
    `was_read` is False if the row's result could not be read."""

    kind: str
    passed: bool | None
    words: str = ""
    hours: int | None = None
    was_read: bool = True

    @property
    def sentence(self) -> str:
        when = "" if self.hours is None else f" at {self.hours} h"
        return f"{self.kind or 'other'} self-test{when}: {self.words or self.passed}"


@dataclass(frozen=True)
class SelfTest:
    """State and log, the newest entry first. `can` is whether the drive says that it can test itself, None if that was
    not read. The minutes are what it says a test takes. `ended` is the last test's result in the drive's state, which
    is all that a drive without a log (`has_log`) gives. A SAS or NVMe drive has no such state; there it is the newest
    entry of a full log."""

    can: bool | None = None
    running: bool = False
    remaining_percent: int | None = None
    entries: tuple[Entry, ...] = ()
    short_minutes: int | None = None
    extended_minutes: int | None = None
    ended: Entry | None = None
    has_log: bool = True

    @property
    def failure(self) -> Entry | None:
        """The newest failed test, unless a newer test of its kind or a newer long one has passed (smartctl(8), bit
        7)."""
        return next((entry for entry in self._standing if entry.passed is False), None)

    @property
    def unread(self) -> Entry | None:
        """The newest test whose result could not be read, unless a newer one has passed. It may have failed."""
        return next((entry for entry in self._standing if not entry.was_read), None)

    @property
    def log(self) -> str:
        return repr(self.entries)

    def has_more_than(self, earlier: str) -> bool:
        """Whether the log has an entry that it had not before. A log that has only lost older entries has none."""
        return not earlier.startswith(self.log.removesuffix(")").removesuffix(","))

    @property
    def without_log(self) -> Entry | None:
        """The last test's result, if the log can't show a new entry: the drive keeps none, or its log is full of equal
        entries. Some drives give them no hours, and those of SAS have 16 bits and stop at 65535 (SPC-4)."""
        shows_it = self.has_log and not (len(self.entries) >= _FULL and len(set(self.entries)) == 1)
        return None if shows_it else self.ended

    @property
    def _standing(self) -> Iterator[Entry]:
        """The entries that no newer test of their kind, and no newer long one, has replaced. The order in the table
        counts, because the hours have 16 bits and start again from 0."""
        passed: set[str] = set()
        for entry in self.entries or (*((self.ended,) if self.ended else ()),):
            if not passed & {entry.kind, LONG}:
                yield entry
            if entry.passed and entry.kind:
                passed.add(entry.kind)


def of(data: dict[str, Any], gaps: Gaps | None = None) -> SelfTest:
    """From smartctl's whole JSON. A drive without any such log has the empty state."""
    gaps = gaps or Gaps()
    if "nvme_self_test_log" in data:
        return _nvme(gaps.branch(data, "nvme_self_test_log", "the self-test log"), gaps)
    if "ata_smart_data" in data or "ata_smart_self_test_log" in data:
        return _ata(data, gaps)
    if mapping(data.get("device")).get("protocol") == "SCSI":
        return _scsi(data)
    return SelfTest()


def _ata(data: dict[str, Any], gaps: Gaps) -> SelfTest:
    smart = mapping(data.get("ata_smart_data"))
    test = mapping(smart.get("self_test"))
    status, minutes = mapping(test.get("status")), mapping(test.get("polling_minutes"))
    rows = _ata_rows(data, gaps)
    value = integer(status.get("value")) or 0
    return SelfTest(
        can=_can(mapping(smart.get("capabilities"))),
        # ACS-4 table 150: the high nibble is the state, 15 running; the low one tenths that remain.
        running=value >> 4 == 15,
        remaining_percent=integer(status.get("remaining_percent")),
        entries=tuple(entry for row in rows for entry in _ata_entry(row)),
        short_minutes=integer(minutes.get("short")),
        extended_minutes=integer(minutes.get("extended")),
        ended=next(_ata_entry({"status": status}), None) if status else None,
        has_log="ata_smart_self_test_log" in data,
    )


def _can(capabilities: dict[str, Any]) -> bool | None:
    """For a drive without any offline capability, smartctl prints only the two bytes: in the first, bit 4 is whether
    the drive can test itself (ACS-3 table 142; ataprint.cpp)."""
    told, first = capabilities.get("self_tests_supported"), next(iter(sequence(capabilities.get("values"))), None)
    if isinstance(told, bool):
        return told
    byte = whole(first, 255)
    return None if byte is None else bool(byte & _SELF_TEST_BIT)


def _ata_rows(data: dict[str, Any], gaps: Gaps) -> list[dict[str, Any]]:
    """The rows of the extended log if it has entries, else those of the older log."""
    log = gaps.branch(data, "ata_smart_self_test_log", "the self-test log")
    for kind in ("extended", "standard"):
        one = gaps.branch(log, kind, f"the {kind} self-test log")
        if rows := gaps.rows(one, "table", "the table of the self-test log"):
            return rows
        if gaps.given(one, "count", "the number of self-tests in the log"):
            gaps.note("of the self-tests in the drive's log none was read")
    return []


def _ata_entry(row: dict[str, Any]) -> Iterator[Entry]:
    """The state's high nibble: 0 completed, 1 and 2 aborted or interrupted by the host, 3 to 8 failed, 15 running. The
    type's lower seven bits: 1 short, 2 extended; the eighth is captive mode."""
    status = mapping(row.get("status"))
    value, kind = whole(status.get("value"), 255), integer(mapping(row.get("type")).get("value"))
    state = None if value is None else value >> 4
    if state == 15:
        return
    told = status.get("passed") if isinstance(status.get("passed"), bool) else None
    passed, was_read = (told, told is not None) if state is None else _verdict(state, aborted=(1, 2), most=8)
    words, hours = clean(status.get("string")), integer(row.get("lifetime_hours"))
    yield Entry(_kind(kind, _KINDS_OF_ATA), passed, words, hours, was_read)


def _nvme(log: dict[str, Any], gaps: Gaps) -> SelfTest:
    done = integer(log.get("current_self_test_completion_percent"))
    operation = integer(mapping(log.get("current_self_test_operation")).get("value"))
    entries = tuple(map(_nvme_entry, gaps.rows(log, "table", "the table of the self-test log", sparse=True)))
    return SelfTest(
        can=True,
        running=bool(operation),
        remaining_percent=None if done is None else 100 - done,
        entries=entries,
        ended=_newest_of_full(entries) if operation == 0 else None,
    )


def _nvme_entry(row: dict[str, Any]) -> Entry:
    """NVM Express base specification 1.4, figure 198: 5 to 7 are failures; 1 to 4, 8 and 9 aborted; 15 is no test."""
    result = mapping(row.get("self_test_result"))
    value, kind = whole(result.get("value")), integer(mapping(row.get("self_test_code")).get("value"))
    passed, was_read = _verdict(value, aborted=(1, 2, 3, 4, 8, 9, 15), most=7)
    return Entry(_kind(kind), passed, clean(result.get("string")), integer(row.get("power_on_hours")), was_read)


def _scsi(data: dict[str, Any]) -> SelfTest:
    """The log's rows have keys of their own, scsi_self_test_0 is the newest. A result of 15 is a test that runs;
    smartctl 7.5 has a separate object for that. A drive that never made a test has no rows, so only a try shows whether
    it can."""
    keys = [key for key in data if re.fullmatch(r"scsi_self_test_[0-9]+", key)]
    rows = [mapping(data[key]) for key in sorted(keys, key=lambda key: (len(key), key))]
    seconds = integer(data.get("scsi_extended_self_test_seconds"))
    at_test = mapping(data.get("scsi_self_test_status")).get("in_progress") is True
    entries = tuple(entry for row in rows for entry in _scsi_entry(row))
    return SelfTest(
        can=True,
        running=at_test or (bool(rows) and integer(mapping(rows[0].get("result")).get("value")) == 15),
        entries=entries,
        extended_minutes=-(-seconds // 60) if seconds else None,
        ended=_newest_of_full(entries),
    )


def _scsi_entry(row: dict[str, Any]) -> Iterator[Entry]:
    """SPC-4 table 438: 1 and 2 aborted, 3 to 7 failed. The code: 1 and 5 short, 2 and 6 extended."""
    result = mapping(row.get("result"))
    value, code = whole(result.get("value")), integer(mapping(row.get("code")).get("value"))
    if value == 15:
        return
    kind = _kind(code - 4 if code in (5, 6) else code)
    hours = integer(mapping(row.get("power_on_time")).get("hours"))
    passed, was_read = _verdict(value, aborted=(1, 2), most=7)
    yield Entry(kind, passed, clean(result.get("string")), hours, was_read)


def _newest_of_full(entries: tuple[Entry, ...]) -> Entry | None:
    """The newest entry if the log is full, as it is when no test runs: a running one takes one of SAS's places. The log
    also has tests that were aborted, by a reset or otherwise. So if all entries are equal, the last test ended like
    them."""
    return entries[0] if len(entries) >= _FULL_OF_OTHERS else None


def _kind(number: int | None, names: dict[int, str] = _KINDS) -> str:
    """A test of an unknown number has a kind of its own, so that no other test stands for it."""
    return "" if number is None else names.get(number & 0x7F, f"type {number & 0x7F}")


def _verdict(value: int | None, *, aborted: tuple[int, ...], most: int) -> tuple[bool | None, bool]:
    """Whether the test passed (None for an aborted one), and whether its result was read: a number that no standard
    defines says nothing."""
    if value in aborted:
        return None, True
    return (value == 0, True) if value is not None and 0 <= value <= most else (None, False)
