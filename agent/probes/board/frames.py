"""Sets of page frames: pages of 4 KiB of the physical memory."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, compress

FRAME_BYTES = 4096
# For each value of a byte its eight bits, the lowest first, inverted.
_CLEAR_BITS = [[value >> bit & 1 ^ 1 for bit in range(8)] for value in range(256)]


class Frames:
    """A set of frames below `most`, with one bit for each: 32 MiB for a TiB. What is added from beyond is left out."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._bits = bytearray(-(-most // 8))

    def add(self, first: int, count: int = 1) -> None:
        """Add `count` frames from `first` on."""
        if count == 1:  # by far the most frequent, where pages are not huge
            if first < self._most:
                self._bits[first >> 3] |= 1 << (first & 7)
            return
        end = min(first + count, self._most)
        low, high = min(-(-first // 8) * 8, end), max(end // 8 * 8, first)
        for frame in chain(range(first, low), range(max(high, low), end)):
            self._bits[frame // 8] |= 1 << frame % 8
        if low < high:
            self._bits[low // 8 : high // 8] = b"\xff" * ((high - low) // 8)

    def count(self, first: int, end: int) -> int:
        """How many frames from `first` up to `end` are in the set."""
        end = min(end, self._most)
        if first >= end:
            return 0
        bits = int.from_bytes(self._bits[first // 8 : -(-end // 8)], "little") >> first % 8
        return (bits & ((1 << (end - first)) - 1)).bit_count()

    def lacks(self, first: int, end: int) -> bool:
        """Whether a frame from `first` up to `end` is not in the set."""
        return self.count(first, end) < end - first

    def of_others(self, first: int, values: list[int]) -> Iterator[int]:
        """Of `values`, one for each frame from `first` on, those of frames that are not in the set. `first` is a
        multiple of 8."""
        whole = self._bits[first // 8 : -(-(first + len(values)) // 8)]
        return compress(values, chain.from_iterable(map(_CLEAR_BITS.__getitem__, whole)))

    def both(self, other: Frames) -> Frames:
        """The frames that are in both sets."""
        return self._made(other, self._number() & other._number())

    def either(self, other: Frames) -> Frames:
        """The frames that are in one of the sets."""
        return self._made(other, self._number() | other._number())

    def _number(self) -> int:
        return int.from_bytes(self._bits, "little")

    def _made(self, other: Frames, bits: int) -> Frames:
        made = Frames(max(self._most, other._most))
        made._bits[:] = bits.to_bytes(len(made._bits), "little")
        return made
