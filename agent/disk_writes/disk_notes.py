"""What one attempt of Storage remembers when the agent restarts: how far each disk was read, and what was written to
it.

It decides nothing. `agent/disk_writes/safety.py` decides whether a write may go on.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, TypeVar

from agent.contract import codec
from agent.disk_writes.safety import Begun, Found, WriteGrant
from agent.exercises.surface import Segment, Surface
from agent.loads.fio import BadRange
from agent.stage import StageContext

T = TypeVar("T")


class State(StrEnum):
    """What a segment of a disk holds. `begun`: a pattern was being written, and how far that came is unknown.
    `written`: every byte was overwritten with a pattern. `blank`: every byte was zeroed after that."""

    BEGUN = "begun"
    WRITTEN = "written"
    BLANK = "blank"


@dataclass
class Written:
    """What this attempt has done to one disk. `verified` are segments that read back correctly, with the seconds that
    writing them took. `bad` is the first place that failed."""

    states: dict[Segment, State] = field(default_factory=dict)
    verified: dict[Segment, float] = field(default_factory=dict)
    bad: BadRange | None = None

    def begin(self, segment: Segment) -> None:
        """Note that a pattern is about to be written. A segment that was already overwritten as a whole stays
        `written`, however far the second pattern comes."""
        if self.states.get(segment) is not State.WRITTEN:
            self.states[segment] = State.BEGUN

    def having(self, *states: State) -> list[Segment]:
        """The segments in this state, in the order in which they were begun."""
        return [segment for segment, state in self.states.items() if state in states]

    @property
    def amount(self) -> int:
        return sum(segment.length for segment in self.verified)

    @property
    def seconds(self) -> float:
        return sum(self.verified.values())


@dataclass(frozen=True)
class _Place:
    offset: int
    length: int
    state: State
    verified_s: float | None = None


@dataclass(frozen=True)
class _FoundRow:
    where: str
    kind: str
    label: str
    words: str
    ranges: list[Segment]


@dataclass(frozen=True)
class _WriteRow:
    """The stored note for one granted disk. `plan` are the segments to write."""

    run: int
    boot: int
    attempt: int
    name: str
    wwn: str
    size_mb: int
    found: list[_FoundRow]
    plan: list[Segment]
    places: list[_Place] = field(default_factory=list)
    bad: BadRange | None = None


@dataclass(frozen=True)
class _Sectors:
    lba: int
    count: int


@dataclass(frozen=True)
class _SurfaceRow:
    done: int
    read_bytes: int
    seconds: float
    bad: list[_Sectors]
    slowest_ms: float
    slowest_at: int


class Notes:
    """What this attempt remembers. A note that can't be read, or that belongs to another attempt, is ignored."""

    def __init__(self, ctx: StageContext) -> None:
        self._ctx, self._lock = ctx, threading.Lock()
        kept = ctx.memory.load()
        self._surfaces = _decoded(_SurfaceRow, kept.get("surface"))
        writes = _decoded(_WriteRow, kept.get("writes"))
        self._writes = {serial: row for serial, row in writes.items() if self._is_ours(row)}

    def _is_ours(self, row: _WriteRow) -> bool:
        """Whether the note is of this attempt and holds no place that was not planned."""
        claim = self._ctx.claim
        of_this = (row.run, row.boot, row.attempt) == (claim.run, claim.boot, self._ctx.order.attempt)
        return of_this and set(_written(row).states) <= set(row.plan)

    def surface(self, name: str) -> tuple[int, Surface]:
        """How many segments are read already, and the result of reading them."""
        row = self._surfaces.get(name)
        if row is None:
            return 0, Surface()
        bad = [(place.lba, place.count) for place in row.bad]
        surface = Surface(row.read_bytes, row.seconds, bad, slowest_ms=row.slowest_ms, slowest_at=row.slowest_at)
        return row.done, surface

    def keep_surface(self, name: str, done: int, now: Surface) -> None:
        bad = [_Sectors(*place) for place in now.bad]
        row = _SurfaceRow(done, now.read_bytes, now.seconds, bad, now.slowest_ms, now.slowest_at)
        with self._lock:
            self._surfaces[name] = row
            self._save()

    def begun(self) -> dict[str, Begun]:
        return {serial: _begun(row) for serial, row in self._writes.items()}

    def keep_begun(self, grant: WriteGrant, segments: list[Segment]) -> list[Segment]:
        """Call this before the first byte is written. Returns the segments to write. On a resumption those of the
        earlier note stay, since they are what was granted. A new grant starts anew, but a disk that failed in this
        attempt stays failed."""
        earlier = self._writes.get(grant.serial)
        if grant.resumed and earlier:
            return earlier.plan
        claim, disk = self._ctx.claim, (grant.name, grant.wwn, grant.size_mb)
        found = [_found_row(one) for one in grant.found]
        bad = earlier.bad if earlier else None
        row = _WriteRow(claim.run, claim.boot, self._ctx.order.attempt, *disk, found, segments, bad=bad)
        self._keep_write(grant.serial, row)
        return segments

    def written(self, grant: WriteGrant) -> Written:
        """What the agents of this attempt have done to the disk since it was granted."""
        return _written(self._writes[grant.serial])

    def keep_written(self, grant: WriteGrant, now: Written) -> None:
        places = [
            _Place(segment.offset, segment.length, state, now.verified.get(segment))
            for segment, state in now.states.items()
        ]
        row = self._writes[grant.serial]
        self._keep_write(grant.serial, replace(row, name=grant.name, places=places, bad=now.bad))

    def bad(self) -> list[tuple[str, str, BadRange]]:
        """Name, serial number and first failed place of each disk that failed."""
        return [(row.name, serial, row.bad) for serial, row in self._writes.items() if row.bad]

    def left(self) -> dict[tuple[str, str], list[Segment]]:
        """The segments that were begun or written and not zeroed since, by name and serial number of their disk."""
        rows = {(row.name, serial): _written(row) for serial, row in self._writes.items()}
        return {disk: places for disk, now in rows.items() if (places := now.having(State.BEGUN, State.WRITTEN))}

    def _keep_write(self, serial: str, row: _WriteRow) -> None:
        with self._lock:
            self._writes[serial] = row
            self._save()

    def _save(self) -> None:
        self._ctx.memory.save(codec.encode({"surface": self._surfaces, "writes": self._writes}))


def _decoded(kind: type[T], rows: Any) -> dict[str, T]:
    """All rows, or none: if one row can't be read, none of them is safe to use."""
    try:
        by_name: dict[str, Any] = codec.decode(dict[str, Any], rows)
        return {name: codec.decode(kind, row) for name, row in by_name.items()}
    except codec.WireError:
        return {}


def _written(row: _WriteRow) -> Written:
    states = {Segment(place.offset, place.length): place.state for place in row.places}
    verified = {Segment(p.offset, p.length): p.verified_s for p in row.places if p.verified_s is not None}
    return Written(states, verified, row.bad)


def _begun(row: _WriteRow) -> Begun:
    found = tuple(Found(one.where, one.kind, one.label, one.words, _ranges(one.ranges)) for one in row.found)
    now = _written(row)
    patterns, blanked = _ranges(now.having(State.BEGUN, State.WRITTEN)), _ranges(now.having(State.BLANK))
    return Begun(row.run, row.boot, row.attempt, found, patterns, blanked, row.wwn, row.size_mb)


def _found_row(one: Found) -> _FoundRow:
    return _FoundRow(one.where, one.kind, one.label, one.words, [Segment(*place) for place in one.ranges])


def _ranges(places: list[Segment]) -> tuple[tuple[int, int], ...]:
    return tuple((place.offset, place.length) for place in places)
