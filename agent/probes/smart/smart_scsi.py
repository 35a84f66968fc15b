"""What a SAS drive reports about its health: its exception, its error counters, its own scan of the medium (smartctl's
scsi_ objects; scsiprint.cpp and scsiGetIEString in scsicmds.cpp)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from agent.parsing import clean, mapping, sequence
from agent.probes.smart.gaps import Gaps, whole

FAILING, WARM, ENCLOSURE, WARNS = "smart.failing", "smart.temperature", "smart.enclosure", "smart.drive_warns"
# Exceptions that are no failure of the drive, by additional sense code 0Bh and its qualifier (SPC-5 annex F). Any other
# means that the drive is failing: its own scan found unreadable places, its cache is not safe, or parts of it fail.
_WARNINGS = {
    0x01: (WARM, "specified temperature exceeded"),
    0x02: (ENCLOSURE, "enclosure degraded"),
    0x08: (WARNS, "power loss expected"),
    0x09: (WARNS, "device statistics notification active"),
    0x0A: (WARM, "high critical temperature limit exceeded"),
    0x0B: (WARM, "low critical temperature limit exceeded"),
    0x0C: (WARM, "high operating temperature limit exceeded"),
    0x0D: (WARM, "low operating temperature limit exceeded"),
    0x0E: (WARNS, "high critical humidity limit exceeded"),
    0x0F: (WARNS, "low critical humidity limit exceeded"),
    0x10: (WARNS, "high operating humidity limit exceeded"),
    0x11: (WARNS, "low operating humidity limit exceeded"),
    0x12: (WARNS, "microcode security at risk"),
    0x13: (WARNS, "microcode digital signature validation failure"),
}
_WARNING, _IMPENDING_FAILURE = 0x0B, 0x5D
# SPC-5: the host has asked the drive to report a failure, as a test of its own reporting.
_FALSE_FAILURE = 0xFF
# SBC-4 table on REASSIGN STATUS of log page 15h: states in which the place can be read again, or was replaced.
_MENDED = frozenset({2, 5, 6, 7})
_MEDIUM_ERROR = 3
_HALTED = {3: "halted due to fatal error", 4: "halted due to a vendor specific pattern of error"}
# Parameters above this number are maker-specific (SBC-4, log page 15h). If one is too short, smartctl prints only its
# number.
_LAST_RESULT = 0x800
_RESULT = re.compile(r"result_\d{1,5}")
# Counters of each phy in log page 18h, subpage 0 (SPL-4).
_OF_THE_LINK = (
    "invalid_dword_count", "running_disparity_error_count", "loss_of_dword_synchronization_count",
    "phy_reset_problem_count",
)  # fmt: skip
_DIRECTIONS = ("read", "write")


@dataclass(frozen=True)
class Exception_:
    """What the drive reports about itself: additional sense code, qualifier, and smartctl's sentence for them."""

    asc: int
    ascq: int
    sentence: str = ""

    @property
    def code(self) -> str:
        """The finding code for it."""
        if self.asc == _IMPENDING_FAILURE and self.ascq == _FALSE_FAILURE:
            return WARNS
        return _WARNINGS[self.ascq][0] if self.asc == _WARNING and self.ascq in _WARNINGS else FAILING

    @property
    def words(self) -> str:
        known = _WARNINGS.get(self.ascq, ("", ""))[1] if self.asc == _WARNING else ""
        return f"{self.sentence or known or 'no words for it'} (asc {self.asc:02x}h, ascq {self.ascq:02x}h)"


@dataclass(frozen=True)
class Scan:
    """The drive's own background scan: places that it can't read, weak places that are not repaired, and why it
    halted."""

    unreadable: int = 0
    weak: int = 0
    halted: str = ""


def exception(data: dict[str, Any]) -> Exception_ | None:
    told = mapping(mapping(data.get("smart_status")).get("scsi"))
    asc, ascq = whole(told.get("asc"), 255), whole(told.get("ascq"), 255)
    return None if asc is None or ascq is None else Exception_(asc, ascq, clean(told.get("ie_string"))[:120])


def grown_defects(data: dict[str, Any], gaps: Gaps) -> int | None:
    """The number of grown defects. Before 7.4 smartctl may write the length of their list in its place, mostly 8 bytes
    for each: https://github.com/prometheus-community/smartctl_exporter/issues/118. Then it is at least an eighth of
    that, which is noted."""
    count, version = gaps.given(data, "scsi_grown_defect_list", "the number of grown defects"), _version(data)
    if not count or count % 4 or not version or version >= [7, 4]:
        return count
    gaps.note(f"smartctl {version[0]}.{version[1]} may give grown defects ({count}) in bytes: record with 7.4 or newer")
    return count // 8 or 1


def _version(data: dict[str, Any]) -> list[int]:
    """smartctl's version, such as [7, 3]. Empty if it was not read."""
    parts = [whole(part) for part in sequence(mapping(data.get("smartctl")).get("version"))[:2]]
    return [part for part in parts if part is not None] if len(parts) == 2 and None not in parts else []


def uncorrected(data: dict[str, Any], gaps: Gaps) -> dict[str, int]:
    """Uncorrected errors by direction. smartctl prints no verify counters if all of them are 0."""
    counters, found = gaps.branch(data, "scsi_error_counter_log", "the error counter log"), {}
    for direction, row in counters.items():
        what = f"the number of uncorrected {clean(direction)[:20]} errors"
        count = gaps.needed(mapping(row), "total_uncorrected_errors", what)
        if count is not None:
            found[direction] = count
    return found


def has_counters(found: dict[str, int]) -> bool:
    return all(direction in found for direction in _DIRECTIONS)


def link_errors(data: dict[str, Any]) -> int | None:
    """Errors of the links at all ports of the drive, from log page 18h. A sound drive has some from plugging and
    resets, so only their growth counts. None if the drive keeps none."""
    ports = [mapping(data[key]) for key in data if re.fullmatch(r"scsi_sas_port_\d{1,3}", key)]
    phys = [mapping(port[key]) for port in ports for key in port if re.fullmatch(r"phy_\d{1,3}", key)]
    counts = [count for phy in phys for word in _OF_THE_LINK if (count := whole(phy.get(word))) is not None]
    return sum(counts) if counts else None


def scan(data: dict[str, Any], gaps: Gaps) -> Scan | None:
    """None if the drive keeps no such log."""
    if "scsi_background_scan" not in data:
        return None
    log = gaps.branch(data, "scsi_background_scan", "the log of the drive's own scan")
    judged = [_place(gaps.branch(log, key, key), gaps) for key in log if _RESULT.fullmatch(key)]
    status = gaps.given(gaps.branch(log, "status", "the state of the scan"), "value", "the state of the scan", 255)
    return Scan(judged.count("unreadable"), judged.count("weak"), _HALTED.get(-1 if status is None else status, ""))


def _place(row: dict[str, Any], gaps: Gaps) -> str:
    what, number = "of a place that the drive's own scan has found", whole(row.get("parameter_code"))
    if row.keys() == {"parameter_code"} or (number or 0) > _LAST_RESULT:
        return ""
    status = gaps.needed(mapping(row.get("reassign_status")), "value", f"the state {what}", 15)
    sense = gaps.needed(mapping(row.get("sense_key")), "value", f"the sense key {what}", 15)
    if status is None or status in _MENDED:
        return ""
    return "unreadable" if sense == _MEDIUM_ERROR else "weak"
