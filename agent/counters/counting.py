"""Error counters, read around every stage. A counter that rose is a finding of that stage, blamed on its component."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from agent import findings
from agent.contract import wire
from agent.contract.codes import CODES
from agent.counters import port_states
from agent.host.spool import write_whole

Key = tuple[str, str, str]
Counts = dict[Key, int]
Source = Callable[[], Counts]


@dataclass(frozen=True)
class MaxRise:
    """The profile's limit `name`: a counter that rises above it fails the part. `fallback` is used if the profile has
    no such limit; None means no limit."""

    name: str
    fallback: float | None
    per_hour: bool = False

    def allowed(self, limits: Mapping[str, object], duration_s: float) -> float | None:
        """How much the counter may rise in this time. A limit per hour is never scaled below one hour."""
        given = limits.get(self.name)
        most = float(given) if isinstance(given, int | float) else self.fallback
        return most * max(1.0, duration_s / 3600) if most is not None and self.per_hour else most


@dataclass(frozen=True)
class Meaning:
    """The finding that a rising counter makes. `noun` goes into "DIMM_A1: 3 corrected memory errors"."""

    code: str
    severity: wire.Severity
    noun: str
    most: MaxRise | None = None


# The component of an error that could not be attributed to a part.
UNATTRIBUTED = "system"

_CRITICAL, _WARNING = wire.Severity.CRITICAL, wire.Severity.WARNING
# nhc warns at nine an hour.
CORRECTED_MEMORY = MaxRise("ecc_corrected_per_hour", 10.0, per_hour=True)
# Key: the beginning of the counter's name. The longest match counts.
MEANINGS: dict[str, Meaning] = {
    "edac.ce": Meaning("memory.corrected", _WARNING, "corrected memory errors", CORRECTED_MEMORY),
    "edac.ue": Meaning("memory.uncorrected", _CRITICAL, "uncorrected memory errors"),
    "mce.exceptions": Meaning("cpu.machine_check", _CRITICAL, "machine check exceptions"),
    # At 1e-12, the bit error rate that PCI Express allows, the fastest link (x16 at 32 GT/s) has 1843 an hour.
    "aer.damaged": Meaning(
        "pcie.corrected", _WARNING, "damaged PCIe packets", MaxRise("pcie_damaged_per_hour", 2000.0, per_hour=True)
    ),
    "aer.refused": Meaning("pcie.uncorrected", _WARNING, "PCIe requests that were not accepted"),
    "aer.correctable": Meaning("pcie.corrected", _WARNING, "corrected PCIe errors"),
    "aer.nonfatal": Meaning("pcie.uncorrected", _CRITICAL, "uncorrected PCIe errors"),
    "aer.fatal": Meaning("pcie.uncorrected", _CRITICAL, "fatal PCIe errors"),
    # Only stages whose load a good cooler must carry set this limit.
    "throttle": Meaning(
        "thermal.throttled", _WARNING, "thermal throttling events", MaxRise("throttle_events_max", None)
    ),
    "nic.link_down": Meaning("nic.link_flap", _CRITICAL, "losses of the link"),
    "nic.ib.link_downed": Meaning("nic.link_flap", _CRITICAL, "losses of the link"),
    # At 1e-12, the bit error rate that Ethernet allows, a full 10 Gbit/s link makes one in 100 s.
    "nic.": Meaning("nic.errors", _WARNING, "errors", MaxRise("nic_errors_max", 10.0)),
    "port.full": Meaning("nic.errors", _WARNING, "counters that are full"),
    "drive.power_cycles": Meaning("disk.link_unsteady", _WARNING, "losses of power, while the host had it"),
    "drive.sas_link": Meaning("disk.link_unsteady", _WARNING, "errors of its SAS link"),
    "drive.unanswered": Meaning("disk.controller_error", _WARNING, "drives that do not answer"),
    "smart.locked": Meaning("disk.locked", _WARNING, "locks"),
    "smart.": Meaning("smart.error_log", _WARNING, "more errors counted by the drive"),
    "gpu.": Meaning("gpu.ecc", _CRITICAL, "uncorrected errors in GPU memory"),
    "gone": Meaning("system.part_gone", _CRITICAL, "disappearances"),
    "bmc.": Meaning("bmc.event", _WARNING, "new entries in the BMC's event log"),
    "bmc.unclear": Meaning("bmc.event", _WARNING, "new entries in the BMC's event log, not understood"),
}
# Counters that are states. How far they rose means nothing; their value does.
STATES: dict[str, str] = {
    "smart.failing": "the drive says that it is failing, which it did not before",
    "smart.prefail": "an attribute is at its failure threshold, and none was before",
    "smart.locked": "the drive is locked with a password, which it was not before",
    "port.full": "one of its error counters is full and counts nothing more",
    "drive.unanswered": "the drive does not answer smartctl, which it did before",
    "smart.write_protected": "the drive has made itself read only, which it was not before",
    "smart.critical_warning": "NVMe critical warning 0x{after:02x}, 0x{before:02x} before",
    "gone": "the kernel no longer has it",
    "bmc.log_full": "the event log is full, which it was not before",
}
# These counters start at 0 with the boot. So before the first stage they count from 0, not from their first reading.
SINCE_BOOT = ("edac.", "aer.", "throttle", "mce.", "gone", "bmc.log_full")
# The BMC's event log outlives boots, so the entries at the first reading are old. A kind of entry that appears later is
# new.
SEL, SEL_WAS_READ, SEL_UNCLEAR = "sel.", ("bmc.sel", "bmc", "BMC"), "bmc.unclear"


@dataclass
class Seen:
    """Which counters were read so far. `most` is the highest number of parts that had a counter in one reading; `named`
    are the counters of each part at the end of a stage. Until the first stage ends there are only numbers: that stage
    makes the inventory, from which parts get their names."""

    most: Counter[str] = field(default_factory=Counter)
    named: set[Key] = field(default_factory=set)

    def lacking(self, counts: Counts) -> frozenset[str]:
        """The counters that some part lacks in this reading."""
        fewer = {counter for counter, most in self.most.items() if _parts(counts)[counter] < most}
        return frozenset(fewer | {key[0] for key in self.named - counts.keys()})


class CounterBook:
    """The last reading of every source. `close_stage` takes the next one. Everything that rose in between, also in the
    pause before the stage, belongs to the stage that ends: so no error falls between two stages."""

    def __init__(
        self, sources: Iterable[Source], state: Path, say: Callable[[str, str], None] = lambda level, text: None
    ) -> None:
        self.sources = tuple(sources)
        self.state, self.say = state, say
        self._before, self._seen = _load(state)
        self._newest: Counts | None = None
        # The counters that a part had at an earlier reading and now has not: a tool failed or a part disappeared, and
        # what it has counted since is unknown.
        self.lost: frozenset[str] = frozenset()
        # The counters that rose in the stage that ended last.
        self.risen: frozenset[str] = frozenset()
        self.ports = port_states.PortStates()

    def open_stage(self) -> None:
        """Take a reading before the stage, if there is none: in the first stage of a boot, and in the first one after a
        hold."""
        if self._before is None:
            counts = self._read()
            self._before = {key: 0 if key[0].startswith(SINCE_BOOT) else value for key, value in counts.items()}
            self.commit()

    def close_stage(self) -> list[wire.CounterDelta]:
        """The counters that rose since the last reading. A counter that fell was reset. A counter that is new counts
        from 0 only if it starts with the boot. Call `commit` when the deltas are stored: until then, the next agent of
        this boot finds them again."""
        before = self._before or {}
        after = self._read()
        self._before = {**before, **after}
        self.lost, self.ports = self._seen.lacking(after), port_states.between(before, after)
        self._seen.named |= port_states.lasting(after)
        deltas = []
        for key, value in sorted(item for item in after.items() if item[0][0] not in port_states.CONDITIONS):
            known = before.get(key, 0 if _started_at_zero(key, before) else value)
            if value > known:
                deltas.append(wire.CounterDelta(*key, before=known, after=value))
        self.risen = frozenset(delta.counter for delta in deltas)
        return deltas

    def forget(self) -> None:
        """Start anew after a hold: errors while a person used the host belong to no stage."""
        self._seen = Seen()
        self._before = self._read()
        self.commit()

    def commit(self) -> None:
        """Store the reading. An agent that is started again in this boot continues from it."""
        rows = [[*key, value] for key, value in (self._before or {}).items()]
        told = {"counts": rows, "most": self._seen.most, "named": sorted(self._seen.named)}
        write_whole(self.state, json.dumps(told).encode())

    def has(self, beginning: str) -> bool:
        """Whether the last reading had a counter whose name begins so. An absent counter is not the same as zero."""
        newest = self._before if self._newest is None else self._newest
        return any(key[0].startswith(beginning) for key in newest or {})

    @property
    def counts(self) -> Counts:
        """The last reading."""
        return dict(self._before or {})

    def parts_with(self, counter: str) -> set[str]:
        """The parts of which this counter is above 0."""
        return {part for (name, _, part), value in (self._before or {}).items() if name == counter and value > 0}

    def _read(self) -> Counts:
        """Read all sources at once: drives, BMC and GPUs each wait for a command of their own."""
        counts: Counts = {}
        with ThreadPoolExecutor(max(1, len(self.sources)), thread_name_prefix="counters") as pool:
            for reading in [pool.submit(source) for source in self.sources]:
                try:
                    counts.update(reading.result())
                except (OSError, ValueError, LookupError) as error:
                    self.say("error", f"error counters could not be read: {type(error).__name__}: {error}")
        self._newest = counts
        self._seen.most |= _parts(counts)
        return counts


def _parts(counts: Counts) -> Counter[str]:
    return Counter(counter for counter, _, _ in port_states.lasting(counts))


def judged(
    deltas: Iterable[wire.CounterDelta],
    limits: Mapping[str, object],
    duration_s: float,
    said: Callable[[wire.CounterDelta], str] = lambda delta: "",
) -> list[wire.Finding]:
    """One finding per delta. A warning becomes critical above the profile's limit. `said` returns the source's own text
    for a delta, if it has one."""
    return [_finding(delta, limits, duration_s, said(delta)) for delta in deltas]


def merged(found: Iterable[wire.Finding]) -> list[wire.Finding]:
    """One finding per code and component. A counter and the kernel's log may both have seen the same error; the more
    severe finding of the two stays.

    An error that could not be attributed joins the only named part with the same code, if that part's finding is at
    least as severe. So it never makes a part look worse.
    """
    found = list(found)
    owners: dict[str, dict[str, wire.Severity]] = {}
    for one in found:
        known = owners.setdefault(one.code, {})
        known[one.component] = _graver(known.get(one.component), one.severity)
    kept: dict[tuple[str, str], wire.Finding] = {}
    for one in sorted(found, key=lambda one: one.component == UNATTRIBUTED):
        named = [part for part in owners[one.code] if part != UNATTRIBUTED]
        is_theirs = (
            one.component == UNATTRIBUTED
            and len(named) == 1
            and owners[one.code][named[0]] in (one.severity, _CRITICAL)
        )
        key = (one.code, named[0] if is_theirs else one.component)
        kept[key] = _both(kept[key], one) if key in kept else one
    return list(kept.values())


def _graver(one: wire.Severity | None, other: wire.Severity) -> wire.Severity:
    order = list(wire.Severity)
    return other if one is None else min(one, other, key=order.index)


def _both(kept: wire.Finding, more: wire.Finding) -> wire.Finding:
    """One finding made of two about the same error: the part of the first, the higher severity of both."""
    if more.severity is _CRITICAL and kept.severity is not _CRITICAL:
        graver = replace(more, component=kept.component, component_kind=kept.component_kind)
        return replace(graver, message=f"{more.message}; {kept.message}")
    if more.message not in kept.message:
        return replace(kept, message=f"{kept.message}; {more.message}")
    return kept


def _finding(delta: wire.CounterDelta, limits: Mapping[str, object], duration_s: float, said: str) -> wire.Finding:
    meaning = _meaning(delta.counter)
    grown = delta.after - delta.before
    allowed = meaning.most.allowed(limits, duration_s) if meaning.most else None
    condemned = allowed is not None and grown > allowed
    return findings.make(
        meaning.code,
        delta.component_kind,
        delta.component,
        f"{delta.component}: {_sentence(delta, meaning)}{f': {said}' if said else ''}",
        value=float(grown),
        limit=allowed or 0.0,
        severity=_CRITICAL if condemned else meaning.severity,
    )


def _sentence(delta: wire.CounterDelta, meaning: Meaning) -> str:
    if delta.counter in STATES:
        return STATES[delta.counter].format(before=delta.before, after=delta.after)
    grown = delta.after - delta.before
    noun = meaning.noun if grown > 1 else meaning.noun.replace("entries", "entry")
    if delta.counter.startswith(SEL):
        return f"{grown} {noun}"
    return f"{grown} {noun} ({delta.counter} went from {delta.before} to {delta.after})"


def _meaning(counter: str) -> Meaning:
    """A counter may have the name of its finding code (`smart.media_errors`). If not, the beginning of its name
    decides."""
    if counter.startswith(SEL):
        return _of_log(counter.removeprefix(SEL))
    if counter in CODES:
        return Meaning(counter, CODES[counter].severity, CODES[counter].title.lower())
    return MEANINGS[max((word for word in MEANINGS if counter.startswith(word)), key=len)]


def _of_log(counter: str) -> Meaning:
    """The meaning of entries of the BMC's event log. The name holds the finding code, and the severity if it is not the
    code's default (`memory.corrected.critical`)."""
    code, _, word = counter.rpartition(".")
    if word not in tuple(wire.Severity):
        code, word = counter, CODES[counter].severity.value
    return Meaning(code, wire.Severity(word), f"new entries in the BMC's event log, {CODES[code].title.lower()}")


def _started_at_zero(key: Key, before: Counts) -> bool:
    """Whether a counter that is missing in the reading before was 0 then."""
    return key[0].startswith(SINCE_BOOT) or (key[0].startswith(SEL) and SEL_WAS_READ in before)


def _load(state: Path) -> tuple[Counts | None, Seen]:
    """What an earlier agent of this boot stored. No counts if there is nothing."""
    try:
        told = json.loads(state.read_text())
        counts = {(row[0], row[1], row[2]): int(row[3]) for row in told["counts"]}
        return counts, Seen(Counter(told["most"]), {(row[0], row[1], row[2]) for row in told["named"]})
    except (OSError, ValueError, LookupError, TypeError):
        return None, Seen()
