"""An ATA drive's error log: the kinds of error, and how long ago they were (smartctl's ata_smart_error_log)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from agent.parsing import mapping
from agent.probes.smart.gaps import Gaps, whole

# The medium could not return the data: uncorrectable data, or an address mark that was not found.
OF_THE_MEDIUM = frozenset({"UNC", "AMNF"})
# The error register of a read (ACS-4 table 105; ataprint.cpp, format_st_er_desc).
_REGISTER = {7: "ICRC", 6: "UNC", 4: "IDNF", 2: "ABRT", 0: "AMNF"}
_WORD = re.compile(r"\b(ICRC|UNC|IDNF|ABRT|AMNF|WP|CCTO|EOM|ILI|TK0NF|NM|MCR?|Device Fault)\b")
# The hours in the log have 16 bits.
_HOURS_WRAP = 1 << 16
# The clock for the hours in the log may be ahead of the attribute's by this much.
_AHEAD_H = 24


@dataclass(frozen=True)
class Logged:
    """One error: its kinds, empty if they can't be read, and the drive's age in hours at that time."""

    kinds: tuple[str, ...]
    hours: int | None

    @property
    def is_of_the_medium(self) -> bool:
        return bool(OF_THE_MEDIUM & set(self.kinds))

    def age_h(self, now_h: int | None) -> int | None:
        """Hours since the error, by the drive's present age. None if one of the two is unknown, or if the error lies in
        the future: then the two clocks differ."""
        if self.hours is None or now_h is None or self.hours > now_h + _AHEAD_H:
            return None
        age = max(0, now_h - self.hours)
        age = age % _HOURS_WRAP if self.hours < _HOURS_WRAP else age
        return 0 if age >= _HOURS_WRAP - _AHEAD_H else age


@dataclass(frozen=True)
class ErrorLog:
    """`count` is how many errors the drive has had, None if it keeps no log. `errors` are the newest of them."""

    count: int | None = None
    errors: tuple[Logged, ...] = field(default=())


def of(data: dict[str, Any], gaps: Gaps) -> ErrorLog:
    logs = gaps.branch(data, "ata_smart_error_log", "the error log")
    both = [gaps.branch(logs, kind, f"the {kind} error log") for kind in ("extended", "summary") if kind in logs]
    log = next((one for one in both if one.get("table")), both[0] if both else {})
    if logs and not both:
        gaps.note("no error log was read")
    count = gaps.given(log, "count", "the number of errors in the drive's error log")
    rows = gaps.rows(log, "table", "the table of the error log")
    errors = tuple(_logged(row) for row in rows if not _is_empty(row))
    if count and not rows:
        gaps.note(f"of the {count} errors in the drive's error log none was read")
    return ErrorLog(count, errors)


def _logged(row: dict[str, Any]) -> Logged:
    text = row.get("error_description")
    kinds = tuple(dict.fromkeys(_WORD.findall(text[:200]))) if isinstance(text, str) else ()
    register = whole(mapping(row.get("completion_registers")).get("error"), 255)
    if not kinds and register is not None:
        kinds = tuple(word for bit, word in _REGISTER.items() if register & 1 << bit) or ("no error bit",)
    return Logged(kinds, whole(row.get("lifetime_hours")))


def _is_empty(row: dict[str, Any]) -> bool:
    """For an entry that the drive left empty, smartctl lists only the number."""
    return not row.keys() - {"error_number", "log_index"}
