"""Which physical memory a test works on, seen from outside while it runs."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from agent.probes.board import pagemap
from agent.probes.board.dmiaddresses import AddressMap
from agent.probes.board.frames import FRAME_BYTES, Frames
from agent.probes.board.meminfo import MIB
from agent.probes.board.pagemap import Region

_LOOK_S = 0.2
# A test has all its memory if it has this share of it: the rest are its own program and rounding.
_FULL = 0.995
# The time for one reading. Memory in huge pages takes about 5 s for a TiB; what is left after this counts as not seen.
READING_S = 30.0
# The second reading is made after this share of the test's time, so that the test still runs on a host that is slow.
_SECOND_AT = 0.6


@dataclass(frozen=True)
class Seen:
    """`frames` were the test's in each reading; `moved` were so in the first of two only. `complete`: all of its pages
    were read. `uses` counts the other frames of each module, or of several that are interleaved, by what they are used
    for; it is empty, and `pages` is the first reading, if pages were kept."""

    frames: Frames
    moved: int
    complete: bool
    uses: Mapping[tuple[str, ...], Counter[str]] = field(default_factory=dict)
    pages: Region | None = None


class UnderTest:
    """Looks at the largest mapping of a process, once it has all its memory and once more later. Use it as a context;
    `start` begins when the process does. `seen` is None if the process ended before, and `why` says so. To `keep` the
    frame of each page is for a test whose errors tell no physical address."""

    def __init__(
        self, megabytes: int, duration_s: float, addresses: AddressMap, *, keep: bool = False, root: Path = Path("/")
    ) -> None:
        self.seen: Seen | None = None
        self.why = "the test ended before its memory was looked at"
        self._megabytes, self._duration_s, self._addresses = megabytes, duration_s, addresses
        self._most = frames_of(addresses)
        self._keep, self._root = keep, root
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> UnderTest:
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def start(self, pid: int) -> None:
        self._thread = threading.Thread(target=self._look, args=(pid,), name="memory-under-test", daemon=True)
        self._thread.start()

    def _look(self, pid: int) -> None:
        try:
            self._wait_until_full(pid)
            if self._over.is_set():
                return
            first = self._read(pid, keep=self._keep)
            if not self._is_whole(first):
                self.why = "the kernel told only a part of the test's page frames"
                return
            self.seen = Seen(first.frames, 0, first.complete, pages=first if self._keep else None)
            if not self._keep:
                self.seen = replace(self.seen, uses=self._uses(first.frames))
            if not self._over.wait(self._duration_s * _SECOND_AT):
                self._compare(self.seen, self._read(pid))
        except (OSError, ValueError) as error:
            if self.seen is None:
                self.why = f"/proc/{pid} could not be read: {error}"

    def _wait_until_full(self, pid: int) -> None:
        wanted = self._megabytes * MIB * _FULL
        while pagemap.resident_bytes(pid, self._root) < wanted and not self._over.wait(_LOOK_S):
            pass

    def _read(self, pid: int, *, keep: bool = False) -> Region:
        return pagemap.region(pid, self._most, self._limit(), keep=keep, root=self._root)

    def _limit(self) -> Callable[[], bool]:
        """Whether the time for one reading is over, or the test."""
        until = time.monotonic() + READING_S
        return lambda: self._over.is_set() or time.monotonic() > until

    def _is_whole(self, reading: Region) -> bool:
        """Whether it has all of the test's memory, or all that there was time for."""
        found = reading.frames.count(0, self._most)
        return found * FRAME_BYTES >= self._megabytes * MIB * _FULL or (not reading.complete and found > 0)

    def _compare(self, first: Seen, second: Region) -> None:
        """Keep the frames that the test still has. A test that has just ended has none, and proves nothing."""
        if self._is_whole(second):
            frames = first.frames.both(second.frames)
            moved = first.frames.count(0, self._most) - frames.count(0, self._most)
            complete = first.complete and second.complete
            self.seen = replace(first, frames=frames, moved=moved, complete=complete)

    def _uses(self, tested: Frames) -> dict[tuple[str, ...], Counter[str]]:
        """What the frames are used for that are not under test, as far as there is time."""
        is_over, found = self._limit(), dict[tuple[str, ...], Counter[str]]()
        for part in self._addresses.used():
            first, end = part.start // FRAME_BYTES, part.end // FRAME_BYTES
            uses = found.setdefault(part.modules, Counter())
            uses.update(pagemap.uses_of_others(tested, first, end, is_over, self._root))
        return found


def frames_of(addresses: AddressMap) -> int:
    """How many page frames there are up to the highest address of RAM."""
    return max((end for _, end in addresses.ram), default=0) // FRAME_BYTES
