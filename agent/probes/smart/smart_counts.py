"""What a drive has counted over its life, by the finding code that each count makes."""

from __future__ import annotations

from collections.abc import Iterator

from agent.probes.smart import smart_meanings, smart_statistics
from agent.probes.smart.smart_attributes import Attribute
from agent.probes.smart.smart_nvme import TEMPERATURE_BIT
from agent.probes.smart.smartctl import PREFAIL, Smart

_16_BITS = 0xFFFF
_REPORTED_UNCORRECT = 187
# Attributes of Phison's controllers, whatever the database calls them; 218 is theirs alone.
_OF_PHISON = {168, 170, 173, 218}


def of(smart: Smart) -> dict[str, int]:
    """The largest count of each kind that the drive gives: attributes, the standard's statistics and logs often count
    the same. Counts that were not read are missing. NVMe's number of log entries is left out, since asking for it can
    raise it."""
    found: dict[str, int] = {}
    for code, count in (*_attributes(smart), *_statistics(smart), *_logs(smart)):
        found[code] = max(count, found.get(code, 0))
    return found


def states(smart: Smart) -> dict[str, int]:
    """What a drive reports about its state, as numbers that rise when it gets worse. SMART judges the health once;
    these catch a drive that fails later. NVMe's temperature bit is left out, since it comes and goes."""
    found = {
        "smart.failing": int(smart.says_failing),
        "smart.prefail": int(bool(smart.exit_status & PREFAIL)),
    }
    if smart.nvme is not None:
        bits = smart.nvme.bits & ~TEMPERATURE_BIT
        found |= {"smart.critical_warning": bits, "smart.failing": int(bits != 0)}
    if smart.locked is not None:
        found["smart.locked"] = int(smart.locked)
    if smart_meanings.WRITE_PROTECTED in {one.meaning.what for one in smart.attributes.values()}:
        found["smart.write_protected"] = int(write_protection(smart) is not None)
    return {} if smart.is_silent else found


def of_the_link(smart: Smart) -> dict[str, int]:
    """Counts of power losses and of errors on a SAS link. A sound drive has some of its past, so only new ones count: a
    drive lost power while the host did not, maybe behind a controller that hides it."""
    told = {"drive.power_cycles": smart.power_cycles, "drive.sas_link": smart.sas_link_errors}
    return {name: count for name, count in told.items() if count is not None}


def write_protection(smart: Smart) -> Attribute | None:
    """The attribute by which a SATA flash drive reports that it has made itself read only."""
    told = (one for one in smart.attributes.values() if one.meaning.what == smart_meanings.WRITE_PROTECTED)
    return next((one for one in told if one.count and smart_meanings.is_state(one.count)), None)


def code_of(smart: Smart, attribute: Attribute) -> str:
    """The finding code for this attribute's count, '' for none. A flash drive has blocks where others have sectors."""
    what = attribute.meaning.what
    if what == smart_meanings.SECTORS and smart.is_flash:
        return smart_meanings.BLOCKS
    return what if what.startswith("smart.") else ""


def has_ambiguous_sectors(smart: Smart) -> bool:
    """Whether attribute 5 could be in either of two formats of this firmware, and there is no other source."""
    attribute = smart.attributes.get(5)
    return (
        attribute is not None and _counts_above(smart) and bool(attribute.raw) and not (attribute.raw or 0) >> 32
        and (3, 32) not in smart.statistics
    )  # fmt: skip


def is_doubted(smart: Smart) -> bool:
    """Whether nothing confirms a flash drive's statistic of failed reads, and something denies it: attribute 187, or
    its error log if it has no 187. The log counts each failed read (ACS-4 9.3), but not that of every drive."""
    told, rows = _told_by_statistics(smart), reported(smart)
    has_log = smart.errors.count is not None
    is_denied = all(count == 0 for count in rows) if rows else has_log
    return smart.is_flash and told > 0 and is_denied and (not has_log or _is_denied_by_log(smart, told))


def starts(smart: Smart) -> int:
    """The statistic of failed mechanical starts if attribute 10 denies it, else 0. Disks of HGST, WD and Toshiba count
    other things there: sound ones had 1 to 7 of them after 11 to 93 starts, and one with a bad supply of power had 28
    after 10, all with attribute 10 at 0."""
    statistic = smart.statistics.get(smart_statistics.STARTS)
    rows = [one.count for one in smart.attributes.values() if one.meaning.what == smart_meanings.SPIN]
    is_denied = bool(rows) and all(count == 0 for count in rows)
    return 0 if statistic is None or not is_denied else statistic.value or 0


def is_of_phison(smart: Smart) -> bool:
    """Whether the statistic of failed reads is that of Phison's S10, which counts something else there: 6184 after 78
    hours, with attribute 187 and the error log at 0 (Kingston DC400, HyperX Savage)."""
    denied = all(count == 0 for count in reported(smart)) and _is_denied_by_log(smart, _told_by_statistics(smart))
    return denied and bool(reported(smart)) and smart.attributes.keys() >= _OF_PHISON


def _told_by_statistics(smart: Smart) -> int:
    statistic = smart.statistics.get(smart_statistics.UNCORRECTABLE)
    return 0 if statistic is None else statistic.value or 0


def _is_denied_by_log(smart: Smart, told: int) -> bool:
    log = smart.errors
    return log.count is not None and log.count < told and not any(one.is_of_the_medium for one in log.errors)


def reported(smart: Smart) -> list[int | None]:
    """The counts of failed reads in attributes, also in those whose name is a guess."""
    rows = [one.guessed or one for one in smart.attributes.values()]
    return [one.count for one in rows if one.meaning.what == smart_meanings.REPORTED]


def _attributes(smart: Smart) -> Iterator[tuple[str, int]]:
    for attribute in smart.attributes.values():
        code, count = code_of(smart, attribute), attribute.count
        if code and count is not None:
            yield code, _unpacked(smart, attribute, count)


def _unpacked(smart: Smart, attribute: Attribute, count: int) -> int:
    """Seagate keeps three counts of timeouts in one number, with the total in the lowest bits, even if smartctl prints
    it as one number. Hitachi's disks do so for failed reads, too: of 0xe486ffff01ee the lowest word is the 494 that
    their device statistics give. A flash drive has a plain number there."""
    if attribute.meaning.what == smart_meanings.TIMEOUTS or _has_words(smart, attribute):
        return count & _16_BITS if count > _16_BITS else count
    if attribute.number == 5 and _counts_above(smart):
        return (attribute.raw or 0) >> 32
    return count


def _has_words(smart: Smart, attribute: Attribute) -> bool:
    return attribute.number == _REPORTED_UNCORRECT and not smart.is_flash


def _counts_above(smart: Smart) -> bool:
    return smart_meanings.counts_above_32_bits(smart.model, smart.firmware)


def _statistics(smart: Smart) -> Iterator[tuple[str, int]]:
    """The standard counts reallocated sectors in logical ones: eight of them are one physical sector on most hard disks
    (ACS-4 9.5.5). On flash, thousands are one block, and other numbers count the blocks."""
    for place, code in smart_statistics.COUNTED.items():
        statistic = smart.statistics.get(place)
        count = None if statistic is None else statistic.value
        if count is None or (code == smart_meanings.SECTORS and smart.is_flash) or _comes_and_goes(smart, code, count):
            continue
        if (code == smart_meanings.REPORTED and is_doubted(smart)) or (code == smart_meanings.SPIN and starts(smart)):
            continue
        yield code, -(-count // smart.logical_per_physical) if code == smart_meanings.SECTORS else count


def _logs(smart: Smart) -> Iterator[tuple[str, int]]:
    """On flash a grown defect is a block."""
    told = {
        smart_meanings.PENDING: smart.pending_defects,
        "smart.media_errors": smart.nvme.media_errors if smart.nvme else None,
        smart_meanings.BLOCKS if smart.is_flash else "smart.grown_defects": smart.grown_defects,
        "smart.uncorrected_errors": sum(smart.uncorrected.values()) if smart.uncorrected else None,
        "smart.background_scan": smart.scan.unreadable if smart.scan else None,
        "smart.error_log": smart.errors.count,
    }
    counts = ((code, count) for code, count in told.items() if count is not None)
    yield from ((code, count) for code, count in counts if not _comes_and_goes(smart, code, count))


def _comes_and_goes(smart: Smart, code: str, count: int) -> bool:
    """Whether smartctl's database says that this drive's pending sectors change between 0 and 1. The same holds for one
    in logs and statistics."""
    attribute = smart.attributes.get(197)
    flips = attribute is not None and smart_meanings.is_bogus(attribute.name)
    return code == smart_meanings.PENDING and count == 1 and flips
