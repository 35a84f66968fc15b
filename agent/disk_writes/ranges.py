"""Ranges of a disk, as (offset, length) in bytes. No I/O here."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

Range = tuple[int, int]


class Union:
    """All bytes that lie in at least one of the ranges."""

    def __init__(self, ranges: Iterable[Range]) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, length in sorted(ranges):
            if self._ends and start <= self._ends[-1]:
                self._ends[-1] = max(self._ends[-1], start + length)
            else:
                self._starts.append(start)
                self._ends.append(start + length)

    def holds(self, wanted: Range) -> bool:
        """Whether the union contains every byte of `wanted`."""
        number = bisect_right(self._starts, wanted[0]) - 1
        return number >= 0 and wanted[0] + wanted[1] <= self._ends[number]

    def touches(self, wanted: Range) -> bool:
        """Whether the union contains any byte of `wanted`."""
        number = bisect_right(self._starts, wanted[0] + wanted[1] - 1) - 1
        return number >= 0 and self._ends[number] > wanted[0]

    def ranges(self) -> list[Range]:
        return [(start, end - start) for start, end in zip(self._starts, self._ends, strict=True)]
