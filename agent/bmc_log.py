"""What the BMC wrote into its event log, counted by what it means and whom it is about.

The log outlives boots and is never cleared here: only what is added during a stage is that stage's. `sel info` answers
at once; the entries, which a slow BMC takes a minute to list, are read only when it says that there are new ones."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from agent.counters import SEL_WAS_READ, Counts
from agent.names import Names
from agent.probes import ipmitool
from agent.probes.ipmitool import LogEntry
from agent.probes.parsing import ParseError

INFO_TIMEOUT_S, LIST_TIMEOUT_S = 20.0, 120.0
OTHER = SEL_WAS_READ
FULL = ("bmc.log_full", "bmc", "BMC")


@dataclass(frozen=True)
class Event:
    """`code` is the finding's; `kind` is the component's: psu and fan are named by their sensor, what the BMC can't
    tell apart is the system's."""

    code: str
    regex: re.Pattern[str]
    kind: str = "system"


def _event(code: str, regex: str, kind: str = "system") -> Event:
    return Event(code, re.compile(regex, re.IGNORECASE), kind)


# Sensor type, sensor name and event as `ipmitool sel elist` spells them (IPMI 2.0, table 42-3).
EVENTS: tuple[Event, ...] = (
    _event("memory.uncorrected", r"uncorrectable (?:memory |ecc)|memory.*\bparity\b"),
    _event("memory.corrected", r"\bcorrectable (?:memory |ecc)"),
    _event("cpu.machine_check", r"processor.*(?:ierr|machine check|thermal trip|configuration error)|caterr"),
    _event("psu.redundancy_lost", r"power (?:supply|unit).*(?:redundancy (?:lost|degraded)|non-redundant)"),
    _event("psu.predicted_failure", r"power supply.*predictive", "psu"),
    _event("psu.failed", r"power supply.*(?:failure|ac lost|out-of-range|input lost)", "psu"),
    _event("psu.voltage", r"voltage.*(?:critical|non-recoverable) going"),
    _event("fan.stopped", r"fan.*(?:lower (?:critical|non-recoverable)|failure|device removed)", "fan"),
    _event("sensor.temp_high", r"temperature.*upper (?:critical|non-recoverable)"),
    _event("pcie.uncorrected", r"pci (?:perr|serr)|bus (?:fatal|uncorrectable) error|fatal nmi"),
    _event("pcie.corrected", r"bus correctable error"),
)
# Written on healthy machines: who logged in, what booted, that the clock was set.
ORDINARY = re.compile(
    r"os boot|os stop|session audit|timestamp|acpi power state|log area reset|event logging|boot completed|"
    r"power (?:off|on|cycle|button)|button|chassis|intrusion|presence detected|state (?:de)?asserted",
    re.IGNORECASE,
)
_TYPES = re.compile(r"^(?:power supply|fan)\s+(?=\S)", re.IGNORECASE)


class EventLog:
    """A source of counters. Remembers what it last read, for as long as `sel info` says the same."""

    def __init__(self) -> None:
        self._info = ""
        self._counts: Counts = {}

    def __call__(self, names: Names) -> Counts:
        if not ipmitool.has_bmc(names.root):
            return {}
        done = ipmitool.run("sel", "info", timeout_s=INFO_TIMEOUT_S)
        info = done.stdout if done.ok else ""
        if entry_count(info) is None:
            return {}
        if info != self._info:
            entries = self._entries()
            if entries is None:
                return {}
            self._info, self._counts = info, {**counted(entries), FULL: int(is_full(info))}
        return self._counts

    @staticmethod
    def _entries() -> list[LogEntry] | None:
        done = ipmitool.run("sel", "elist", timeout_s=LIST_TIMEOUT_S)
        try:
            return ipmitool.parse_sel(done.stdout) if done.ok else None
        except ParseError:
            return None


def entry_count(text: str) -> int | None:
    """Of `sel info`."""
    match = re.search(r"^Entries\s*:\s*(\d{1,9})\b", text, re.MULTILINE)
    return int(match[1]) if match else None


def is_full(text: str) -> bool:
    """Whether the log can take no entry any more: then it says nothing of what happens now."""
    return bool(re.search(r"^(?:Percent Used\s*:\s*100%|Overflow\s*:\s*true)", text, re.MULTILINE))


def counted(entries: list[LogEntry]) -> Counts:
    """How many entries there are of each meaning and component. What has no meaning here is the BMC's own."""
    found: Counter[tuple[str, str, str]] = Counter({OTHER: 0})
    for entry in entries:
        if entry.asserted and (key := _key(entry)):
            found[key] += 1
    return dict(found)


def _key(entry: LogEntry) -> tuple[str, str, str] | None:
    text = f"{entry.sensor} {entry.text}"
    for event in EVENTS:
        if event.regex.search(text):
            return f"sel.{event.code}", event.kind, _component(event.kind, entry.sensor)
    return None if ORDINARY.search(text) else OTHER


def _component(kind: str, sensor: str) -> str:
    name = _TYPES.sub("", sensor)
    if kind == "psu":
        return ipmitool.supply_name(name)
    return name if kind == "fan" else "system"
