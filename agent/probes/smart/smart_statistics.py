"""An ATA drive's device statistics: counters that the standard names, so no maker's table is needed (ACS-4 section 9.5;
smartctl's ata_device_statistics)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from agent.parsing import clean, mapping
from agent.probes.smart import smart_meanings
from agent.probes.smart.gaps import Gaps

Place = tuple[int, int]
ENDURANCE: Place = (7, 8)
UNCORRECTABLE: Place = (4, 8)
STARTS: Place = (3, 48)
# Physical Element Status Changed (ACS-5): an element, such as a head, has left its maker's limits.
ELEMENTS: Place = (4, 24)
# Page and offset of the judged statistics, with their finding codes. Page 5 is temperature, which has limits of its
# own.
COUNTED: dict[Place, str] = {
    (1, 64): smart_meanings.PENDING,
    (3, 32): smart_meanings.SECTORS,
    STARTS: smart_meanings.SPIN,
    (3, 56): smart_meanings.PENDING,
    UNCORRECTABLE: smart_meanings.REPORTED,
    (6, 24): smart_meanings.CRC,
}


@dataclass(frozen=True)
class Statistic:
    """`at_limit`: a condition that was set for this statistic is met (ACS-4 9.5.2)."""

    name: str
    value: int | None
    at_limit: bool = False


def of(data: dict[str, Any], gaps: Gaps) -> dict[Place, Statistic]:
    """The statistics that the drive marks as valid. A page without any has no table, an empty one is null. A normalised
    value is no count, except percent of endurance."""
    found: dict[Place, Statistic] = {}
    pages = gaps.branch(data, "ata_device_statistics", "the device statistics")
    if pages and "pages" not in pages:
        gaps.note("no page of the device statistics was read")
    for page in gaps.rows(pages, "pages", "the device statistics", sparse=True):
        number = gaps.needed(page, "number", "the number of a page of device statistics")
        for row in gaps.rows(page, "table", f"page {number} of the device statistics"):
            offset = gaps.needed(row, "offset", f"a row's place in page {number} of the device statistics")
            if number is not None and offset is not None:
                found |= _row(row, (number, offset), gaps)
    return found


def _row(row: dict[str, Any], place: Place, gaps: Gaps) -> dict[Place, Statistic]:
    name, flags = clean(row.get("name"))[:60], mapping(row.get("flags"))
    at_limit, valid = flags.get("monitored_condition_met") is True, flags.get("valid")
    if place not in COUNTED and place not in (ENDURANCE, ELEMENTS):
        return {place: Statistic(name, None, at_limit)} if at_limit else {}
    what = f"device statistic {name or place}"
    if not isinstance(valid, bool):
        gaps.note(f"whether {what} is valid was not read")
    if valid is not True:
        return {}
    value = gaps.needed(row, "value", what)
    is_count = (flags.get("normalized") is not True or place == ENDURANCE) and not _is_all_ones(value, row.get("size"))
    return {place: Statistic(name, value if is_count else None, at_limit)}


def _is_all_ones(value: int | None, size: Any) -> bool:
    """Whether each of at least four bytes is FFh: Hitachi's Ultrastar A7K2000 marks a statistic that it does not keep
    as valid, with 4294967295 failed starts."""
    return isinstance(size, int) and 4 <= size <= 8 and value == (1 << 8 * size) - 1
