"""A drive's self-test log as smartctl prints it, and how to start a test and look at it (smartmontools 7.4)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from agent.probes.parsing import clean, integer, mapping, sequence

SHORT, LONG = "short", "long"


@dataclass(frozen=True)
class Entry:
    """One test that is over. `passed` is None for one that was aborted or interrupted, which says nothing of the
    drive; `kind` is short, long, or '' for any other; `hours` the drive's age then."""

    kind: str
    passed: bool | None
    words: str = ""
    hours: int | None = None

    @property
    def sentence(self) -> str:
        when = "" if self.hours is None else f" at {self.hours} h"
        return f"{self.kind or 'other'} self-test{when}: {self.words or self.passed}"


@dataclass(frozen=True)
class SelfTest:
    """State and log, the newest entry first. `can` is whether the drive says that it can; the minutes are what it
    says it needs."""

    can: bool = False
    running: bool = False
    remaining_percent: int | None = None
    entries: tuple[Entry, ...] = ()
    short_minutes: int | None = None
    extended_minutes: int | None = None

    @property
    def failure(self) -> Entry | None:
        """The newest failed test that none of its kind, and no long one, has passed since (smartctl(8), bit 7)."""
        passed: set[str] = set()
        for entry in self.entries:
            if entry.passed is False and not passed & {entry.kind, LONG}:
                return entry
            if entry.passed:
                passed.add(entry.kind)
        return None


def of(data: dict[str, Any]) -> SelfTest:
    """From smartctl's whole JSON. A drive without any such log has the empty state."""
    if "nvme_self_test_log" in data:
        return _nvme(mapping(data["nvme_self_test_log"]))
    if "ata_smart_data" in data:
        return _ata(data)
    if mapping(data.get("device")).get("protocol") == "SCSI":
        return _scsi(data)
    return SelfTest()


def _ata(data: dict[str, Any]) -> SelfTest:
    smart = mapping(data.get("ata_smart_data"))
    test = mapping(smart.get("self_test"))
    status, minutes = mapping(test.get("status")), mapping(test.get("polling_minutes"))
    log = mapping(data.get("ata_smart_self_test_log"))
    rows = sequence((mapping(log.get("extended")) or mapping(log.get("standard"))).get("table"))
    value = integer(status.get("value")) or 0
    return SelfTest(
        can=mapping(smart.get("capabilities")).get("self_tests_supported") is True,
        # ACS-4 table 150: the high nibble is the state, 15 running; the low one tenths that remain.
        running=value >> 4 == 15,
        remaining_percent=integer(status.get("remaining_percent")),
        entries=tuple(entry for row in rows for entry in _ata_entry(mapping(row))),
        short_minutes=integer(minutes.get("short")),
        extended_minutes=integer(minutes.get("extended")),
    )


def _ata_entry(row: dict[str, Any]) -> Iterator[Entry]:
    """The state's high nibble: 0 completed, 1 and 2 aborted or interrupted by the host, 3 to 8 failed, 15 running. The
    type's lower seven bits: 1 short, 2 extended; the eighth is captive mode."""
    status = mapping(row.get("status"))
    value, kind = integer(status.get("value")), integer(mapping(row.get("type")).get("value"))
    state = None if value is None else value >> 4
    if state == 15:
        return
    told = status.get("passed")
    passed = (told if isinstance(told, bool) else None) if state is None else _verdict(state, aborted=(1, 2), most=8)
    yield Entry(_kind(kind), passed, clean(status.get("string")), integer(row.get("lifetime_hours")))


def _nvme(log: dict[str, Any]) -> SelfTest:
    done = integer(log.get("current_self_test_completion_percent"))
    return SelfTest(
        can=True,
        running=bool(integer(mapping(log.get("current_self_test_operation")).get("value"))),
        remaining_percent=None if done is None else 100 - done,
        entries=tuple(_nvme_entry(mapping(row)) for row in sequence(log.get("table"))),
    )


def _nvme_entry(row: dict[str, Any]) -> Entry:
    """NVM Express base specification 1.4, figure 198: 5 to 7 are failures; 1 to 4, 8 and 9 aborted."""
    result = mapping(row.get("self_test_result"))
    value, kind = integer(result.get("value")), integer(mapping(row.get("self_test_code")).get("value"))
    passed = _verdict(value, aborted=(1, 2, 3, 4, 8, 9), most=7)
    return Entry(_kind(kind), passed, clean(result.get("string")), integer(row.get("power_on_hours")))


def _scsi(data: dict[str, Any]) -> SelfTest:
    """The log's rows are keys of their own, scsi_self_test_0 the newest; a result of 15 is one that runs. A drive that
    never made a test has no rows, so only trying tells whether it can."""
    keys = [key for key in data if re.fullmatch(r"scsi_self_test_[0-9]+", key)]
    rows = [mapping(data[key]) for key in sorted(keys, key=lambda key: (len(key), key))]
    seconds = integer(data.get("scsi_extended_self_test_seconds"))
    return SelfTest(
        can=True,
        running=bool(rows) and integer(mapping(rows[0].get("result")).get("value")) == 15,
        entries=tuple(entry for row in rows for entry in _scsi_entry(row)),
        extended_minutes=-(-seconds // 60) if seconds else None,
    )


def _scsi_entry(row: dict[str, Any]) -> Iterator[Entry]:
    """SPC-4 table 438: 1 and 2 aborted, 3 to 7 failed. The code: 1 and 5 short, 2 and 6 extended."""
    result = mapping(row.get("result"))
    value, code = integer(result.get("value")), integer(mapping(row.get("code")).get("value"))
    if value == 15:
        return
    kind = _kind(code - 4 if code in (5, 6) else code)
    hours = integer(mapping(row.get("power_on_time")).get("hours"))
    yield Entry(kind, _verdict(value, aborted=(1, 2), most=7), clean(result.get("string")), hours)


def _kind(number: int | None) -> str:
    return {1: SHORT, 2: LONG}.get((number or 0) & 0x7F, "")


def _verdict(value: int | None, *, aborted: tuple[int, ...], most: int) -> bool | None:
    """True for 0; None for an aborted test and for a number that no standard gives a meaning."""
    if value is None or value in aborted or not 0 <= value <= most:
        return None
    return value == 0
