"""The entries of the BMC's event log as error counters, by meaning and component.

The log outlives boots and is never cleared here. Only an entry that is added during a stage counts for that stage. `sel
info` is quick; the entries, which a slow BMC takes a minute to list, are read only when it reports new ones, or when
the log is full: of a full log that overwrites its oldest entry, `sel info` may never change (HPE's iLO 4).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from agent.contract import wire
from agent.counters.component_names import Names
from agent.counters.counting import SEL, SEL_UNCLEAR, SEL_WAS_READ, Counts, Key
from agent.parsing import ParseError
from agent.probes.bmc import ipmitool, sel, supplies
from agent.probes.bmc.bmc_events import EVENT, Meaning
from agent.probes.bmc.bmc_meanings import is_understood, meaning
from agent.probes.bmc.sel import LogEntry

INFO_TIMEOUT_S, LIST_TIMEOUT_S = 20.0, 120.0
OTHER = SEL_WAS_READ
# Entries that were not understood.
UNCLEAR = (SEL_UNCLEAR, "bmc", "BMC")
FULL = ("bmc.log_full", "bmc", "BMC")
NOWHERE = Names(Path("/nonexistent"))
# QUOTED is how many entries a finding quotes: enough for each voltage of a board that fails as a whole. KEPT is how
# many are remembered.
QUOTED, KEPT = 12, 50


class EventLog:
    """A source of counters. It counts each entry once. A cleared or overwritten entry stays counted, and an entry that
    takes its place is new. An entry that was seen once is never new again, whatever a later list leaves out."""

    def __init__(self) -> None:
        self._info = ""
        self._seen: frozenset[tuple[object, ...]] = frozenset()
        self._counts: Counts = {}
        self._quotes: dict[Key, list[str]] = {}

    def __call__(self, names: Names) -> Counts:
        if not ipmitool.has_bmc(names.root):
            return {}
        done = ipmitool.run("sel", "info", timeout_s=INFO_TIMEOUT_S)
        info = done.stdout if done.ok else ""
        count = entry_count(info)
        if count is None:
            return {}
        if info != self._info or is_full(info):
            entries = _entries(count)
            if entries is None:
                return {}
            self.take(entries, names)
            self._info, self._counts[FULL] = info, int(is_full(info))
        return dict(self._counts)

    def take(self, entries: list[LogEntry], names: Names = NOWHERE) -> Counts:
        """Count the entries that were not in the log before."""
        new = [entry for entry in entries if entry.mark not in self._seen]
        self._seen |= {entry.mark for entry in entries}
        for key in (OTHER, UNCLEAR):
            self._counts.setdefault(key, 0)
        for key, entry in _keyed(new, names):
            self._counts[key] = self._counts.get(key, 0) + 1
            self._quotes[key] = [*self._quotes.get(key, []), entry.quote][-KEPT:]
        return self._counts

    def said(self, delta: wire.CounterDelta) -> str:
        """The newest entries that a delta counts, quoted. Empty for a delta of another source."""
        quotes = self._quotes.get((delta.counter, delta.component_kind, delta.component), [])
        newest = list(dict.fromkeys(reversed(quotes[-(delta.after - delta.before) :])))
        more = f" and {len(newest) - QUOTED} others" if len(newest) > QUOTED else ""
        return ", ".join(newest[:QUOTED]) + more


def _entries(count: int) -> list[LogEntry] | None:
    """All entries. None if they were not read to their end. A list of fewer than `count` is asked for again, since
    ipmitool ends it in silence if the BMC gives no next entry. If both lists are equally long, the BMC counts otherwise
    than it lists."""
    found = _listed()
    if found is None or len(found) >= count:
        return found
    again = _listed()
    is_whole = again is not None and (len(again) >= count or len(again) == len(found))
    return again if is_whole else None


def _listed() -> list[LogEntry] | None:
    done = ipmitool.run("sel", "elist", timeout_s=LIST_TIMEOUT_S)
    try:
        return sel.parse(done.stdout) if done.ok else None
    except ParseError:
        return None


def entry_count(text: str) -> int | None:
    """The number of entries, from the output of `sel info`."""
    match = re.search(r"^Entries\s*:\s*(\d{1,9})\b", text, re.MULTILINE)
    return int(match[1]) if match else None


def is_full(text: str) -> bool:
    """Whether the log is full. Such a log records nothing of what happens now, or overwrites its oldest entries."""
    return bool(re.search(r"^(?:Percent Used\s*:\s*100%|Overflow\s*:\s*true)", text, re.MULTILINE))


def counted(entries: Iterable[LogEntry], names: Names = NOWHERE) -> Counts:
    """The number of entries for each meaning and component. An entry without a known meaning counts for the BMC."""
    found: Counter[Key] = Counter({OTHER: 0, UNCLEAR: 0})
    found.update(key for key, _ in _keyed(entries, names))
    return dict(found)


def _keyed(entries: Iterable[LogEntry], names: Names) -> Iterable[tuple[Key, LogEntry]]:
    for entry in entries:
        told, is_clear = meaning(entry), is_understood(entry)
        if not is_clear:
            yield UNCLEAR, entry
        if told and (is_clear or told != EVENT):
            yield (OTHER if told == EVENT else _key(told, entry, names)), entry


def _key(told: Meaning, entry: LogEntry, names: Names) -> Key:
    severity = f".{told.severity.value}" if told.severity else ""
    return (f"{SEL}{told.code}{severity}", *_component(told.part, entry, names))


def _component(part: str, entry: LogEntry, names: Names) -> tuple[str, str]:
    """A supply or fan by its sensor, a memory module by the slot that the entry names. A supply's temperatures and
    voltages are of other types and name it, too. Any other component can't be told apart."""
    if part == "bmc":
        return "bmc", "BMC"
    if part == "dimm":
        slot = _module(f"{entry.text} {entry.reading} {entry.name}", names)
        return ("dimm", slot) if slot else ("system", "system")
    if part in ("psu", "fan") and entry.name:
        return part, supplies.blamed(entry.name) if part == "psu" else entry.name
    return ("psu", supplies.blamed(entry.name)) if supplies.number(entry.name) else ("system", "system")


def _module(text: str, names: Names) -> str:
    """The inventory's memory module whose slot the text names: `Uncorrectable ECC (DIMMB1)`."""
    locators = [dimm.locator for dimm in names.inventory.memory.dimms] if names.inventory else []
    named = [one for one in locators if one and re.search(rf"{re.escape(_plain(one))}(?![0-9])", _plain(text))]
    return max(named, key=len, default="")


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", text.lower())
