"""Finds the meaning of an entry in the BMC's event log, by the tables of `bmc_events` and `bmc_states`."""

from __future__ import annotations

import re

from agent.probes.bmc import bmc_events as events
from agent.probes.bmc import bmc_states as states
from agent.probes.bmc.bmc_events import Meaning
from agent.probes.bmc.bmc_states import State
from agent.probes.bmc.sel import LogEntry

_BLANKS = re.compile(r"[\s-]+")
# Text that a maker appends to the event: `Uncorrectable ECC (DIMMB1)`, `Run-time critical stop ()`.
_OWN_WORDS = re.compile(r"\s*\(.*\)?$")
_THRESHOLD = re.compile(
    r"(?:at or (?:below|above) )?(lower|upper) (non critical|critical|non recoverable)(?: going (low|high))?"
)
_RPM_ABOVE_0 = re.compile(r"Reading 0*[1-9]|Reading 0*\.\d*[1-9]", re.IGNORECASE)
# Words in the name of a sensor with two states (event type 03h). Dell's `PG` sensors, power good, are asserted when
# power is not good; those of others are `POWER_GOOD`.
_THERE = re.compile(r"prsnt|presen|\bpres\b|install|insert|popul")
_FAULT = re.compile(
    r"fail|fault|\berr|err\b|error|missing|trip\b|ierr|mcerr|mismatch|lost|\bcrit|alarm|alert|\bpg\b|over ?temp|"
    r"over ?heat|over ?curr|over ?volt|under ?volt|uncorr|hang|time ?out|tmout|leak|\b[ou]v\b|\boc\b|degrad|warn|"
    r"\bbad\b|thermal shut|\bdrop\b|\bot\b"
)
_LAMP = re.compile(r"\buid\b|identify")
_MILD = re.compile(r"warn|alert|time ?out|tmout|mismatch")
# Heat, although `CPU0_VR_Hot` has the type Voltage. PROCHOT# slows the CPU down.
_HOT = re.compile(r"hot\b(?! ?(?:swap|plug|spare))")
_SLOWED = re.compile(r"\bproc ?hot\b|cpu\d? ?prochot")
# Intel's boards have event types of their own (70h to 76h), for which ipmitool has no words. The sensor's name gives
# the severity (Intel S2600 family, System Event Log Troubleshooting Guide, "PCI Express" and "QPI" errors).
_FATAL, _CORRECTED = re.compile(r"\b(?<!non )fat(?:al)?\b"), re.compile(r"\bcor(?:r|rectable|rected)?\b")
# "The system locked up before it was able to log the original issue" (the same guide, "SMI Timeout").
_LOCKED_UP = re.compile(r"\bsmi ?time ?out")
_BETWEEN_CPUS = re.compile(r"\b[qu]pi\b")
_MACHINE_CHECK = re.compile(r"ierr|caterr|mcerr|cat err|\bmce\b|machine ch(?:ec)?k")
_CPU_STOPPED = re.compile(r"ierr|caterr|mcerr|cat err")
# Degrees that are left up to the CPU's own limit: little is hot.
_MARGIN = re.compile(r"margin|\bmr?gn\b")
# The board's own battery, whose sensor has the type Voltage.
_BATTERY = re.compile(r"bat(?:t(?:ery)?)?\b")
_SUPPLY = re.compile(r"\bpsu?[ _]?\d|power ?supply|\bpws\d")
_DRIVE = re.compile(r"\bhdd|\bssd|drive|disk|\bnvme")
_OF_ANY_PART = ("entity presence", "power unit", "module / board", "add-in card", "other fru", "chassis")
_KNOWN = frozenset((*states.GENERIC, *(word for each in events.SPECIFIC.values() for word in each)))
_LIMITS = frozenset(
    f"{side} {how} going {way}"
    for side in ("lower", "upper")
    for how in ("non critical", "critical", "non recoverable")
    for way in ("low", "high")
)
# Words that are a whole event of these types, and of others what is left of one.
_OF_ONE_TYPE = {"battery": ("low",), "entity presence": ("absent", "entity absent")}
_PIECES = [pieces for word in (*_KNOWN, *_LIMITS) if len(pieces := tuple(word.split())) > 1]
# Known events with one word missing, and with one word blank.
_SHORTENED = frozenset((*pieces[:at], *pieces[at + 1 :]) for pieces in _PIECES for at in range(len(pieces)))
_HOLED = frozenset((*pieces[:at], "", *pieces[at + 1 :]) for pieces in _PIECES for at in range(len(pieces)))


def meaning(entry: LogEntry) -> Meaning | None:
    """None for entries that healthy machines write, and for entries that say that something is over. An asserted entry
    without a known meaning is an event of the BMC."""
    words = _normalized(entry.text)
    found = _specific(entry, words) or _threshold(entry, words) or _generic(entry, words) or _by_name(entry, words)
    found = found or (events.EVENT if entry.asserted else events.ORDINARY)
    return found if found.code else None


def is_understood(entry: LogEntry) -> bool:
    """Whether the entry is complete: its sensor type is known to ipmitool, and it has an event, in ipmitool's or the
    maker's words. An empty event, or a known event with a word missing or damaged, is not understood."""
    words = _normalized(entry.text)
    is_known = words in _KNOWN or words in _OF_ONE_TYPE.get(entry.kind, ()) or bool(_THRESHOLD.fullmatch(words))
    says = bool(re.search("[a-z]{2}", words)) and (is_known or not _is_damaged(words))
    says = says or entry.kind in events.ORDINARY_TYPES
    says = says or (_by_name(entry, words) or _of_windows(entry)) is not None
    is_whole = bool(entry.is_whole and entry.kind) and entry.text.isascii()
    return is_whole and says and (_has_name(entry) or not _needs_name(words))


def _is_damaged(words: str) -> bool:
    """Whether this is a known event that was cut, or in which a word is missing or damaged."""
    pieces = tuple(words.split())
    holes = (
        (*pieces[:at], "", *pieces[at + 1 :]) for at, piece in enumerate(pieces) if not re.search("[a-z]{2}", piece)
    )
    return (
        any(word.startswith(words) for word in _KNOWN | _LIMITS)
        or pieces in _SHORTENED
        or any(one in _HOLED for one in holes)
    )


def _needs_name(words: str) -> bool:
    """Whether the event has a meaning only together with the sensor's name."""
    return words in ("state asserted", "state deasserted")


def _has_name(entry: LogEntry) -> bool:
    return bool(entry.name) and entry.name.isascii()


def _normalized(text: str) -> str:
    return _BLANKS.sub(" ", _OWN_WORDS.sub("", text).lower()).strip()


def _specific(entry: LogEntry, words: str) -> Meaning | None:
    if entry.kind in events.ORDINARY_TYPES or (entry.kind == "version change" and "change" in words):
        return events.ORDINARY
    if entry.kind == "system firmwares" and words == "unspecified" and "progress" in entry.sensor.lower():
        return events.ORDINARY
    known = events.SPECIFIC.get(entry.kind, {})
    found = known.get(words) or _of_windows(entry) or (events.PANIC if words.startswith("linux kernel panic") else None)
    if entry.kind == "entity presence" and words in _OF_ONE_TYPE[entry.kind]:
        return _absent(entry) if entry.asserted else events.ORDINARY
    if found is None or entry.asserted:
        return found
    is_gone = entry.kind == "entity presence" and (entry.kind, words) in events.PRESENCE
    return _absent(entry) if is_gone else events.PRESENCE.get((entry.kind, words), events.ORDINARY)


def _of_windows(entry: LogEntry) -> Meaning | None:
    """The meaning of a record that Windows wrote."""
    is_theirs = entry.kind == "oem record" and entry.text in events.WINDOWS_DRIVERS
    return events.OF_WINDOWS.get(entry.name.lower()) if is_theirs else None


def _threshold(entry: LogEntry, words: str) -> Meaning | None:
    match = _THRESHOLD.fullmatch(words)
    if match is None:
        return None
    side, level, going = match.groups()
    leaves = going is None or (side, going) in (("lower", "low"), ("upper", "high"))
    if leaves is not entry.asserted:
        return events.ORDINARY
    if not leaves:
        return events.EVENT
    is_critical = level != "non critical"
    if entry.kind == "voltage" and _BATTERY.search(_plain(entry)):
        return events.GRAVE if is_critical else events.EVENT
    limit = "upper" if entry.kind == "temperature" and _MARGIN.search(_plain(entry)) else side
    beyond = states.THRESHOLDS.get((entry.kind, limit), (events.GRAVE, events.EVENT))[0 if is_critical else 1]
    turns = beyond is events.FAN_STOPPED and _RPM_ABOVE_0.search(entry.reading)
    return events.FAN_LOW if turns else beyond


def _generic(entry: LogEntry, words: str) -> Meaning | None:
    if words not in states.GENERIC:
        return None
    state, begins = states.GENERIC[words]
    holds = begins == entry.asserted
    if state is State.ON:
        return _two_states(entry, holds)
    if not holds or state is State.NONE:
        return events.ORDINARY
    if state is State.CRITICAL:
        return _critical(entry)
    return _absent(entry) if state is State.ABSENT else states.BY_STATE[state].get(entry.kind, events.EVENT)


def _by_name(entry: LogEntry, words: str) -> Meaning | None:
    """The meaning of an entry without a text for its event."""
    if words or entry.kind not in ("critical interrupt", "unknown"):
        return None
    name = _plain(entry)
    is_between_cpus = _BETWEEN_CPUS.search(name) is not None
    if _FATAL.search(name):
        is_of_cpu = is_between_cpus or _MACHINE_CHECK.search(name)
        found = events.MACHINE_CHECK if is_of_cpu else events.PCIE
    elif _CORRECTED.search(name):
        found = events.CPU_CORRECTED if is_between_cpus else events.PCIE_CORRECTED
    elif _CPU_STOPPED.search(name):
        found = events.MACHINE_CHECK
    else:
        return None
    return found if entry.asserted else events.ORDINARY


def _plain(entry: LogEntry) -> str:
    """The sensor's name in small letters, with blanks between its words."""
    return re.sub(r"[_-]", " ", entry.name.lower())


def _absent(entry: LogEntry) -> Meaning:
    """The name of a sensor for presence says which part it is about. Huawei's `PS2 Presence` has the type Power
    Unit."""
    kind, name = entry.kind, _plain(entry)
    if kind in _OF_ANY_PART:
        kind = "power supply" if _SUPPLY.search(name) else "fan" if "fan" in name else kind
        kind = "drive slot / bay" if _DRIVE.search(name) else kind
    return states.BY_STATE[State.ABSENT].get(kind, events.EVENT)


def _critical(entry: LogEntry) -> Meaning:
    """Dell's `Mem ECC Warning` is critical if too many errors were corrected."""
    if entry.kind == "memory" and re.search(r"warn|(?<!un)corr", entry.name.lower()):
        return events.CORRECTED_MANY
    return states.BY_STATE[State.CRITICAL].get(entry.kind, events.GRAVE)


def _two_states(entry: LogEntry, is_on: bool) -> Meaning:
    """The meaning by the sensor's name: presence that ends and a fault that begins are bad. If the name says neither, a
    state that begins is reported as it is."""
    name = _plain(entry)
    if _THERE.search(name):
        return events.ORDINARY if is_on else _absent(entry)
    if states.POWER_GOOD.search(name):
        return events.ORDINARY if is_on else _not_good(entry.kind)
    is_fault = _FAULT.search(name) or _MACHINE_CHECK.search(name)
    if entry.kind == "drive slot / bay" and not is_fault:
        # A slot is asserted while a drive is in it (freeipmi_interpret_sel.conf, IPMI_Drive_Slot_State).
        return events.ORDINARY if is_on else events.DRIVE_WARNING
    if not is_on or _LAMP.search(name):
        return events.ORDINARY
    if _HOT.search(name):
        return events.THROTTLED if _SLOWED.search(name) else events.HOT_WARNING
    if entry.kind == "memory" and re.search(r"\bcorr", name):
        return events.CORRECTED
    if is_fault:
        return _fault(entry.kind, name)
    if entry.kind in events.ORDINARY_STATES:
        return events.ORDINARY
    return states.BY_STATE[State.ON].get(entry.kind, events.EVENT)


def _not_good(kind: str) -> Meaning:
    """Power is no longer good. For a supply this is a failure; for other sensors a reset may be the cause."""
    return events.PSU_FAILED if kind == "power supply" else states.BY_STATE[State.NON_CRITICAL].get(kind, events.EVENT)


def _fault(kind: str, name: str) -> Meaning:
    if kind == "voltage" and _SUPPLY.search(name):
        return events.PSU_WARNING
    if _MACHINE_CHECK.search(name):
        return events.MACHINE_CHECK
    if kind == "processor":
        return events.HOT if "trip" in name else events.EVENT if _MILD.search(name) else events.CPU_FAULT
    if kind == "memory":
        return events.UNCORRECTED if "uncorr" in name else events.MEMORY_FAULT
    if _LOCKED_UP.search(name):
        return events.GRAVE
    if _MILD.search(name):
        return states.BY_STATE[State.NON_CRITICAL].get(kind, events.EVENT)
    return states.FAULTS.get(kind, events.EVENT)
