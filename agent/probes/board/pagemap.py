"""Which page frames a process has (/proc/PID/pagemap), and what frames are used for (/proc/kpageflags). Both need
CAP_SYS_ADMIN. Formats: Documentation/admin-guide/mm/pagemap.rst of the kernel."""

from __future__ import annotations

import os
import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.probes.board.frames import FRAME_BYTES, Frames

# Entries that are read at once: 1 MiB of them tells of 512 MiB.
_AT_ONCE = 128 * 1024
_ENTRY_BYTES = 8
_PRESENT, _FRAME = 1 << 63, (1 << 55) - 1
# Huge pages have 512 frames, one after the other. The entries of such a block are one number plus 0 to 511.
_BLOCK = 512
_ONES = int.from_bytes(bytes((1, 0, 0, 0, 0, 0, 0, 0)) * _BLOCK, "little")
_STEPS = int.from_bytes(array("Q", range(_BLOCK)).tobytes(), "little")
_MAPPING = re.compile(r"^([0-9a-f]{1,16})-([0-9a-f]{1,16}) rw", re.MULTILINE)
# Bits of kpageflags.
_ON_LRU, _BUDDY, _MAPPED, _ANON, _SWAPBACKED, _UNEVICTABLE = (1 << bit for bit in (5, 10, 11, 12, 14, 18))
FREE, PROGRAMS, FILES, KERNEL = "free", "programs", "files in memory", "kernel"


@dataclass
class Region:
    """The addresses of a process from `start` up to `end`, and its `frames`. `complete`: all of them were read. If
    `pages` are kept, they have the frame of each page, 0 for a page that is not present."""

    start: int
    end: int
    frames: Frames
    complete: bool = True
    pages: array[int] | None = None

    def address(self, virtual: int) -> int | None:
        """The physical address, None if it is not known."""
        page = (virtual - self.start) // FRAME_BYTES
        if self.pages is None or not 0 <= page < len(self.pages) or not self.pages[page]:
            return None
        return self.pages[page] * FRAME_BYTES + virtual % FRAME_BYTES


def resident_bytes(pid: int, root: Path = Path("/")) -> int:
    """How much memory the process has. Raises OSError if it has ended."""
    return int((root / f"proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def largest_mapping(text: str) -> tuple[int, int]:
    """The largest range of addresses in /proc/PID/maps that can be written; 0 to 0 without any."""
    found = ((int(start, 16), int(end, 16)) for start, end in _MAPPING.findall(text))
    return max(found, key=lambda one: one[1] - one[0], default=(0, 0))


def region(pid: int, most: int, is_over: Callable[[], bool], *, keep: bool = False, root: Path = Path("/")) -> Region:
    """The largest mapping of the process, with its frames below `most`. It stops when `is_over`. Raises OSError."""
    start, end = largest_mapping((root / f"proc/{pid}/maps").read_text())
    found = Region(start, end, Frames(most), pages=array("Q") if keep else None)
    with (root / f"proc/{pid}/pagemap").open("rb", buffering=0) as file:
        page, last = start // FRAME_BYTES, end // FRAME_BYTES
        while page < last:
            entries = os.pread(file.fileno(), min(_AT_ONCE, last - page) * _ENTRY_BYTES, page * _ENTRY_BYTES)
            if not entries or is_over():
                found.complete = False
                break
            for first, count in runs(entries):
                found.frames.add(first, count)
            if found.pages is not None:
                found.pages.extend(entry & _FRAME if entry & _PRESENT else 0 for entry in array("Q", entries))
            page += len(entries) // _ENTRY_BYTES
    return found


def runs(entries: bytes) -> Iterator[tuple[int, int]]:
    """First frame and number of frames of each run in entries of pagemap. Frame 0 stands for one that the kernel does
    not tell."""
    size = _BLOCK * _ENTRY_BYTES
    for at in range(0, len(entries), size):
        block = entries[at : at + size]
        first = int.from_bytes(block[:_ENTRY_BYTES], "little")
        is_one_run = len(block) == size and int.from_bytes(block, "little") == _STEPS + first * _ONES
        if not is_one_run:
            yield from _single(array("Q", block))
        elif first & _PRESENT and first & _FRAME:
            yield first & _FRAME, _BLOCK


def _single(entries: array[int]) -> Iterator[tuple[int, int]]:
    return ((frame, 1) for entry in entries if entry & _PRESENT and (frame := entry & _FRAME))


def uses_of_others(
    tested: Frames, first: int, end: int, is_over: Callable[[], bool], root: Path = Path("/")
) -> Counter[str]:
    """What the frames from `first` up to `end` are used for that are not in the set: how many of each use. It stops
    when `is_over`. Raises OSError."""
    found: Counter[str] = Counter()
    with (root / "proc/kpageflags").open("rb", buffering=0) as file:
        for frame in range(first // 8 * 8, end, _AT_ONCE):
            last = min(frame + _AT_ONCE, end)
            if not tested.lacks(max(frame, first), last):
                continue
            flags = array("Q", _whole(os.pread(file.fileno(), (last - frame) * _ENTRY_BYTES, frame * _ENTRY_BYTES)))
            for value, count in Counter(tested.of_others(frame, list(flags))).items():
                found[_use(value)] += count
            if is_over():
                break
    return found


def _whole(entries: bytes) -> bytes:
    return entries[: len(entries) // _ENTRY_BYTES * _ENTRY_BYTES]


def _use(flags: int) -> str:
    if flags & _BUDDY:
        return FREE
    if flags & _ANON:
        return PROGRAMS
    return FILES if flags & (_ON_LRU | _MAPPED | _SWAPBACKED | _UNEVICTABLE) else KERNEL
