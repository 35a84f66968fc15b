"""How much of a drive's rated writes is used, and how much spare it has left, by whatever its model reports."""

from __future__ import annotations

import re
from collections.abc import Iterator

from agent.probes.smart import smart_meanings, smart_statistics
from agent.probes.smart.smart_attributes import Attribute
from agent.probes.smart.smartctl import Smart

# Intel's and Samsung's normalised values stop at 1 when the rated writes are used (Intel, SSD DC S3700 specification).
_STOPS_AT_1 = ("Media_Wearout_Indicator", "Wear_Leveling_Count")
# Silicon Motion has the percentage in the raw value, and the normalised value of some firmware stays at 100. Indilinx
# has no normalised values. Phison has it in SSD_Life_Left, where SandForce has 0 in the raw value of a new drive.
_ALSO_RAW = {"Remaining_Lifetime_Perc": 0, "Lifetime_Remaining%": 0, "SSD_Life_Left": 1}
# 255 percent or more. SandForce also has it where it keeps no such number: a KC300 after 1,300 hours, with all of its
# life left by attribute 231.
MOST_PERCENT = 255
# Innodisk's 3TG6 gives what is left where the standard has what is used: 99, as its attribute 169 does.
_GIVES_WHAT_IS_LEFT = re.compile(r".* 3TG6(-P)?")


def used_percent(smart: Smart) -> int | None:
    """The standard's own number if the drive keeps it, else the largest that smartctl or the attributes give."""
    if smart.nvme is not None:
        return smart.nvme.percentage_used
    standard = _standard(smart)
    if standard is not None and standard != MOST_PERCENT and not _GIVES_WHAT_IS_LEFT.fullmatch(smart.model):
        return standard
    # smartctl repeats the standard's number.
    derived = None if standard == smart.endurance_used_percent else smart.endurance_used_percent
    told = [derived, *map(used_by, smart.attributes.values())]
    return max((used for used in told if used is not None), default=None)


def is_standard_unclear(smart: Smart) -> bool:
    """Whether the standard's number is 255, and nothing else gives the wear."""
    return _standard(smart) == MOST_PERCENT and used_percent(smart) is None


def _standard(smart: Smart) -> int | None:
    statistic = smart.statistics.get(smart_statistics.ENDURANCE)
    return None if statistic is None else statistic.value


def spares(smart: Smart) -> Iterator[tuple[str, int, int]]:
    """Name, percent left and the drive's own threshold (0 if it sets none). A blank row is no percentage, and neither
    is the value that smartctl derives from it."""
    if smart.nvme is not None:
        if smart.nvme.spare_percent is not None:
            yield "spare blocks", smart.nvme.spare_percent, smart.nvme.spare_threshold_percent or 0
        return
    rows = [one for one in smart.attributes.values() if one.meaning.what == smart_meanings.SPARE_LEFT]
    for attribute in rows:
        if not attribute.is_blank and (left := percent(attribute.value)) is not None:
            yield attribute.name, left, attribute.threshold or 0
    if smart.spare_percent is not None and not any(one.is_blank for one in rows):
        yield "spare blocks", smart.spare_percent, smart.spare_threshold_percent or 0


def used_by(attribute: Attribute) -> int | None:
    """The percentage used, from this attribute. None if it has none, or an impossible one."""
    what = attribute.meaning.what
    if what == smart_meanings.LIFE_USED:
        return attribute.count if attribute.count is not None and attribute.count <= 255 else None
    left = _left(attribute)
    if what != smart_meanings.LIFE_LEFT or left is None:
        return None
    return 100 if left <= 1 and attribute.name in _STOPS_AT_1 else 100 - left


def _left(attribute: Attribute) -> int | None:
    """The percentage left: the normalised value, or the raw one where the normalised value may say nothing."""
    least, raw, value = _ALSO_RAW.get(attribute.name), attribute.raw, attribute.value
    if value in (None, 100) and least is not None and raw is not None and least <= raw <= 100:
        return raw
    return percent(value)


def percent(value: int | None) -> int | None:
    """A normalised value if it can be a percentage: some drives start at 200 or 253."""
    return value if value is not None and value <= 100 else None
