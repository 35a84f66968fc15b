"""Error counters, read around every stage. What moved is a finding of that stage, blamed on its component."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from agent import findings, wire
from agent.codes import CODES
from agent.spool import write_whole

Key = tuple[str, str, str]
Counts = dict[Key, int]
Source = Callable[[], Counts]

# Recipe D.8: a corrected memory error is a warning, more than ten an hour condemn the module. The profile's limit
# of this name stands where there is one.
CORRECTED_PER_HOUR_NAME = "ecc_corrected_per_hour"
CORRECTED_PER_HOUR = 10.0


@dataclass(frozen=True)
class Meaning:
    """What a counter that moved means. `noun` goes into "DIMM_A1: 3 corrected memory errors"."""

    code: str
    severity: wire.Severity
    noun: str


_CRITICAL, _WARNING = wire.Severity.CRITICAL, wire.Severity.WARNING
# By the longest beginning of the counter's name.
MEANINGS: dict[str, Meaning] = {
    "edac.ce": Meaning("memory.corrected", _WARNING, "corrected memory errors"),
    "edac.ue": Meaning("memory.uncorrected", _CRITICAL, "uncorrected memory errors"),
    "mce.exceptions": Meaning("cpu.machine_check", _CRITICAL, "machine check exceptions"),
    "aer.correctable": Meaning("pcie.corrected", _WARNING, "corrected PCIe errors"),
    "aer.nonfatal": Meaning("pcie.uncorrected", _CRITICAL, "uncorrected PCIe errors"),
    "aer.fatal": Meaning("pcie.uncorrected", _CRITICAL, "fatal PCIe errors"),
    "throttle": Meaning("thermal.throttled", _WARNING, "thermal throttling events"),
    "nic.link_down": Meaning("nic.link_flap", _CRITICAL, "losses of the link"),
    "nic.": Meaning("nic.errors", _WARNING, "errors"),
    "smart.": Meaning("smart.error_log", _WARNING, "more errors counted by the drive"),
    "gpu.": Meaning("gpu.ecc", _CRITICAL, "uncorrected errors in GPU memory"),
    "bmc.": Meaning("bmc.event", _WARNING, "new entries in the BMC's event log"),
}
# These start at 0 with the boot, so before the first stage "before" is 0 and not what it had come to by then.
SINCE_BOOT = ("edac.", "aer.", "throttle", "mce.")


class CounterBook:
    """The last reading of every source. `close_stage` takes the next one: what moved in between belongs
    to the stage that ends, the pause before it included, so that no error falls between two stages."""

    def __init__(
        self, sources: Iterable[Source], state: Path, say: Callable[[str, str], None] = lambda level, text: None
    ) -> None:
        self.sources = tuple(sources)
        self.state, self.say = state, say
        self._before: Counts | None = _load(state)

    def open_stage(self) -> None:
        """Before a stage. Only the first of a boot, and the first after a hold, need a reading of their
        own."""
        if self._before is None:
            counts = self._read()
            self._before = {key: 0 if key[0].startswith(SINCE_BOOT) else value for key, value in counts.items()}
            self.commit()

    def close_stage(self) -> list[wire.CounterDelta]:
        """What moved since. A counter that fell was reset, not repaired; one that is new counts from 0 only where
        it starts with the boot. Call `commit` when the deltas are safe: until then the next agent of this boot
        finds them again."""
        before, after = self._before or {}, self._read()
        self._before = {**before, **after}
        deltas = []
        for key, value in sorted(after.items()):
            known = before.get(key, 0 if key[0].startswith(SINCE_BOOT) else value)
            if value > known:
                deltas.append(wire.CounterDelta(*key, before=known, after=value))
        return deltas

    def forget(self) -> None:
        """After a hold: a person had the machine, and what was counted meanwhile is nobody's error."""
        self._before = self._read()
        self.commit()

    def commit(self) -> None:
        """The reading is where an agent that is started again in this boot goes on from."""
        rows = [[*key, value] for key, value in (self._before or {}).items()]
        write_whole(self.state, json.dumps(rows).encode())

    def has(self, beginning: str) -> bool:
        """Whether the last reading had any counter of this name: absent is not the same as zero."""
        return any(key[0].startswith(beginning) for key in self._before or {})

    def _read(self) -> Counts:
        counts: Counts = {}
        for source in self.sources:
            try:
                counts.update(source())
            except (OSError, ValueError, LookupError) as error:
                self.say("error", f"error counters could not be read: {type(error).__name__}: {error}")
        return counts


def judged(deltas: Iterable[wire.CounterDelta], limits: Mapping[str, object], duration_s: float) -> list[wire.Finding]:
    """One finding per delta; corrected memory errors become critical above the profile's hourly limit."""
    return [_finding(delta, limits, duration_s) for delta in deltas]


def merged(found: Iterable[wire.Finding]) -> list[wire.Finding]:
    """One finding per code and component, the graver of two: a counter and the kernel's log may both have
    seen it."""
    kept: dict[tuple[str, str], wire.Finding] = {}
    for one in found:
        key = (one.code, one.component)
        if key not in kept:
            kept[key] = one
        elif one.severity is _CRITICAL and kept[key].severity is not _CRITICAL:
            kept[key] = replace(one, message=f"{one.message}; {kept[key].message}")
        elif one.message not in kept[key].message:
            kept[key] = replace(kept[key], message=f"{kept[key].message}; {one.message}")
    return list(kept.values())


def _finding(delta: wire.CounterDelta, limits: Mapping[str, object], duration_s: float) -> wire.Finding:
    meaning = _meaning(delta.counter)
    grown = delta.after - delta.before
    severity, limit = meaning.severity, 0.0
    if delta.counter == "edac.ce":
        limit = _corrected_limit(limits, duration_s)
        severity = _CRITICAL if grown > limit else _WARNING
    return findings.make(
        meaning.code,
        delta.component_kind,
        delta.component,
        f"{delta.component}: {grown} {meaning.noun} ({delta.counter} went from {delta.before} to {delta.after})",
        value=float(grown),
        limit=limit,
        severity=severity,
    )


def _corrected_limit(limits: Mapping[str, object], duration_s: float) -> float:
    """Errors allowed in this time; anything under an hour is measured as a whole one."""
    per_hour = limits.get(CORRECTED_PER_HOUR_NAME, CORRECTED_PER_HOUR)
    rate = float(per_hour) if isinstance(per_hour, int | float) else CORRECTED_PER_HOUR
    return rate * max(1.0, duration_s / 3600)


def _meaning(counter: str) -> Meaning:
    """A counter may be named as the code of its finding (`smart.media_errors`); else its beginning says
    it."""
    if counter in CODES:
        return Meaning(counter, CODES[counter].severity, CODES[counter].title.lower())
    return MEANINGS[max((word for word in MEANINGS if counter.startswith(word)), key=len)]


def _load(state: Path) -> Counts | None:
    try:
        return {(row[0], row[1], row[2]): int(row[3]) for row in json.loads(state.read_text())}
    except (OSError, ValueError, LookupError, TypeError):
        return None
