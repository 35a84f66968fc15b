"""What must have been read to judge a drive's health. A number that was not read is not zero: without it the check is
not tested. No I/O here: a reading in, sentences out."""

from __future__ import annotations

from collections.abc import Iterator

from agent.contract import wire
from agent.probes.smart import smart_counts, smart_meanings, smart_scsi, smart_wear, smartctl
from agent.probes.smart.smart_attributes import NOW, Attribute
from agent.reports import checks
from agent.reports.checks import Limit

# Attributes that say nothing about a flash drive's cells: cable, power, host, and a spindle that it does not have.
_NOT_OF_FLASH = frozenset({
    smart_meanings.CRC, smart_meanings.TIMEOUTS, smart_meanings.SPIN, "smart.error_log",
})  # fmt: skip
# The most sentences in a reason.
_SENTENCES = 3
TOPIC = "smart"


def health(smart: smartctl.Smart, found: list[wire.Finding], label: str, name: str, limit: Limit) -> wire.Check:
    """The check `health`: failed by a critical finding, whatever else is unknown; else not tested if something is
    missing that this kind of drive must report; else passed."""
    judged = checks.judged("health", found, name, topic=TOPIC, reason=_note(smart))
    lacks = missing(smart, limit)
    if judged.outcome is wire.Outcome.FAILED or not lacks:
        return judged
    return checks.not_tested("health", name, reason=f"{label}: {'; '.join(lacks[:_SENTENCES])}", topic=TOPIC)


def missing(smart: smartctl.Smart, limit: Limit) -> list[str]:
    """Sentences about what is missing. Without a health status that is the only one, since the rest is mostly missing
    for the same reason."""
    if smart.trouble:
        return [smart.trouble]
    protocol = _BY_PROTOCOL.get(smart.protocol)
    needed = protocol(smart) if protocol else [f"smartctl names no known protocol ({smart.protocol or 'none'})"]
    is_on = "" if smart.enabled is not None else "whether SMART is switched on was not read"
    is_locked = "the drive is locked with a password, so nothing can be read from it" if smart.locked else ""
    logs = [*_self_tests(smart), *_errors(smart, limit("recent_errors_h"))]
    told = [is_locked, is_on, *needed, *_unclear(smart), *_guesses(smart, limit), *logs, *smart.gaps]
    return list(dict.fromkeys(sentence for sentence in told if sentence))


def _ata(smart: smartctl.Smart) -> list[str]:
    """The table of attributes, or the standard's statistics if the drive no longer has a table; and for a hard disk
    both counts of lost sectors."""
    if not smart.attributes:
        return _instead_of_attributes(smart)
    counted, lacks = smart_counts.of(smart), [*_not_known(smart)]
    if smart_counts.has_ambiguous_sectors(smart):
        lacks.append("5 Reallocated_Sector_Ct: this firmware counts other things in it, too")
    if smart.is_flash or smart.rotation_rpm is None:
        return lacks if _tells_of_wear(smart, counted) else [*lacks, "no attribute that counts errors or wear was read"]
    reallocated = [] if smart_meanings.SECTORS in counted else ["reallocated sectors were not read"]
    pending = [] if _tells_of_lost_sectors(smart, counted) else ["pending sectors were not read"]
    return [*lacks, *reallocated, *pending]


def _tells_of_lost_sectors(smart: smartctl.Smart, counted: dict[str, int]) -> bool:
    """Whether a hard disk's unreadable sectors were counted. The table is read as a whole, so a drive without a row 197
    keeps none, as older ones do. The same holds if row 197 means something else by the database. Such drives report by
    another count or by the error log."""
    row = smart.attributes.get(197)
    others = {smart_meanings.UNREADABLE, smart_meanings.REPORTED, "smart.error_log"} & counted.keys()
    has_none = row is None or bool(row.meaning.names)
    return smart_meanings.PENDING in counted or (has_none and bool(others))


def _instead_of_attributes(smart: smartctl.Smart) -> list[str]:
    at_threshold = smartctl.PREFAIL | smartctl.PAST_PREFAIL
    has_errors, has_state = (4, 8) in smart.statistics, {(3, 32), (7, 8)} & smart.statistics.keys()
    if smart.exit_status & at_threshold or not (has_errors and has_state):
        return ["neither attributes nor device statistics with the same values were read"]
    return []


def _unclear(smart: smartctl.Smart) -> Iterator[str]:
    """Statistics of the standard that are hardly true, and that nothing else confirms or denies."""
    if smart_wear.is_standard_unclear(smart):
        yield f"{smart_wear.MOST_PERCENT} % of the endurance are used by the device statistics: worn out, or not kept"
    if smart_counts.is_doubted(smart) and not smart_counts.is_of_phison(smart):
        yield "the device statistics count failed reads, and attribute 187 or the drive's error log has none"


def _not_known(smart: smartctl.Smart) -> Iterator[str]:
    """Attributes with a count, or at their threshold, whose meaning on this model is unknown."""
    for number, one in smart.attributes.items():
        if one.meaning.what == smart_meanings.UNKNOWN and one.count != 0:
            yield f"{number} {one.name}: not known what it counts on this model"
        elif one.meaning.what == smart_meanings.WRITE_PROTECTED and not smart_meanings.is_state(one.count or 0):
            yield f"{number} {one.name} is {one.count}, which is no state, and not known what it is on this model"
        elif one.meaning.what == smart_meanings.LIFE_USED and one.count is not None and smart_wear.used_by(one) is None:
            yield f"{number} {one.name} is {one.count}, which is no percentage"
        elif one.meaning.what == smart_meanings.HELIUM and one.value is None:
            yield f"{number} {one.name}: its level was not read"
        elif one.failed == NOW and not one.prefailure and one.meaning.what == smart_meanings.NOTHING:
            yield f"{number} {one.name} is at its threshold, and not known what it is on this model"


def _guesses(smart: smartctl.Smart, limit: Limit) -> Iterator[str]:
    """Attributes of a model that smartctl does not know, which would condemn it if their default names were right."""
    for number, one in smart.attributes.items():
        if one.guessed is not None and _is_bad(smart, one.guessed, limit):
            said = one.count if smart_counts.code_of(smart, one.guessed) else one.value
            yield f"{number} {one.name} is {said}, and smartctl's database does not have this model"


def _is_bad(smart: smartctl.Smart, one: Attribute, limit: Limit) -> bool:
    """Any count but 0; wear and spare by the same limits as on a known model. The standard's own endurance counts
    before any attribute."""
    if smart_counts.code_of(smart, one):
        return bool(one.count)
    if one.meaning.what == smart_meanings.SPARE_LEFT:
        left = None if one.is_blank else smart_wear.percent(one.value)
        return left is not None and left < (one.threshold or limit("spare_min_percent"))
    used = smart_wear.used_by(one) if _has_value(one) and smart_wear.used_percent(smart) is None else None
    return used is not None and used >= limit("percentage_used_max")


def _has_value(one: Attribute) -> bool:
    """The drives that gave these attributes their names stop at 1. Others have 0 where they keep no such value."""
    return one.value != 0


def _tells_of_wear(smart: smartctl.Smart, counted: dict[str, int]) -> bool:
    """Whether anything was read by which a flash drive is judged: each maker has other attributes. Reserves and failed
    writes are judged by their threshold, so they need one."""
    judged = set(counted) - _NOT_OF_FLASH or smart_wear.used_percent(smart) is not None
    return bool(judged or any(map(_is_judged, smart.attributes.values())))


def _is_judged(one: Attribute) -> bool:
    """Whether the value by which this attribute is judged was read. A guess tells by a value that is good: a bad one is
    missing anyway."""
    if one.guessed is not None:
        is_count = one.guessed.meaning.what.startswith("smart.")
        return one.count is not None if is_count else _has_value(one) and _is_judged(one.guessed)
    what = one.meaning.what
    if what in (smart_meanings.LIFE_LEFT, smart_meanings.LIFE_USED):
        return smart_wear.used_by(one) is not None
    if what == smart_meanings.SPARE_LEFT:
        return not one.is_blank and (smart_wear.percent(one.value) is not None or bool(one.threshold))
    if what == smart_meanings.FLIPS:
        return one.count is not None
    return what == smart_meanings.FAILURE_TO_COME and bool(one.threshold)


def _nvme(smart: smartctl.Smart) -> list[str]:
    """Every field that is judged is mandatory. A missing one is among the gaps."""
    return [] if smart.nvme is not None else ["the health log was not read"]


def _scsi(smart: smartctl.Smart) -> list[str]:
    """Grown defects and the error counters of reads and writes. A flash drive needs no list of defects if it reports
    how much of its endurance is used."""
    lacks = []
    if not smart_scsi.has_counters(smart.uncorrected):
        lacks.append("the error counters of reads and writes were not read")
    worn = smart.is_flash and smart.endurance_used_percent is not None
    if smart.grown_defects is None and not worn:
        lacks.append("the number of grown defects was not read")
    return lacks


_BY_PROTOCOL = {"ATA": _ata, "NVMe": _nvme, "SCSI": _scsi}


def _self_tests(smart: smartctl.Smart) -> list[str]:
    test = smart.self_test
    is_untold = not test.entries and test.ended is None and not test.running and test.can is not False
    if smart.protocol == "ATA" and smart.attributes and is_untold and smart.was_asked_for_all:
        return ["how the last self-test ended was not read"]
    if test.unread is not None and test.failure is None:
        return ["the result of a self-test in the drive's log was not read"]
    seen = any(entry.passed is False for entry in (*test.entries, *((test.ended,) if test.ended else ())))
    if smart.exit_status & smartctl.SELF_TEST_LOG and not seen:
        return ["smartctl found a failed self-test in the drive's log, and which one was not read"]
    return []


def _errors(smart: smartctl.Smart, recent_h: float) -> list[str]:
    """Errors of the medium, or of an unknown kind, that are not old or whose age is unknown."""
    of_unknown_age, of_unknown_kind = 0, 0
    for error in smart.errors.errors:
        age_h = error.age_h(smart.power_on_hours)
        of_unknown_age += age_h is None and error.is_of_the_medium
        of_unknown_kind += not error.kinds and (age_h is None or age_h <= recent_h)
    return [
        *([f"when {of_unknown_age} reads failed was not read"] if of_unknown_age else []),
        *([f"of {of_unknown_kind} errors in the drive's log the kind was not read"] if of_unknown_kind else []),
    ]


def _note(smart: smartctl.Smart) -> str:
    if smart.is_by_attributes:
        return "the drive's own verdict was not read; smartctl says by its attributes that it is well"
    return "smartctl: an optional command failed (exit bit 2)" if smart.exit_status & smartctl.COMMAND_FAILED else ""
