"""How much of a drive's rated writes is used, and how much spare it has left, by whatever its model reports."""

from __future__ import annotations

from collections.abc import Iterator

from agent.probes.smart import smart_meanings, smart_statistics
from agent.probes.smart.smart_attributes import Attribute
from agent.probes.smart.smartctl import Smart

# Intel's and Samsung's normalised values stop at 1 when the rated writes are used (Intel, SSD DC S3700 specification).
_STOPS_AT_1 = ("Media_Wearout_Indicator", "Wear_Leveling_Count")
# Silicon Motion has the percentage in the raw value, and the normalised value of some firmware stays at 100. Phison has
# it in SSD_Life_Left, where SandForce has 0 in the raw value of a new drive.
_ALSO_RAW = {"Remaining_Lifetime_Perc": 0, "Lifetime_Remaining%": 0, "SSD_Life_Left": 1}


def used_percent(smart: Smart) -> int | None:
    """The standard's own number if the drive has it, else the largest that smartctl or the attributes give."""
    if smart.nvme is not None:
        return smart.nvme.percentage_used
    standard = smart.statistics.get(smart_statistics.ENDURANCE)
    if standard is not None and standard.value is not None:
        return standard.value
    told = [smart.endurance_used_percent, *map(used_by, smart.attributes.values())]
    return max((used for used in told if used is not None), default=None)


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
    if what != smart_meanings.LIFE_LEFT or (left := percent(attribute.value)) is None:
        return None
    least, raw = _ALSO_RAW.get(attribute.name), attribute.raw
    if left == 100 and least is not None and raw is not None and least <= raw <= 100:
        left = raw
    return 100 if left <= 1 and attribute.name in _STOPS_AT_1 else 100 - left


def percent(value: int | None) -> int | None:
    """A normalised value if it can be a percentage: some drives start at 200 or 253."""
    return value if value is not None and value <= 100 else None
