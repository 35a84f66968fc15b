"""Where a machine's memory lies: from a place in a module to the guest-physical address and to the place in the file
that is the guest's memory. Pure.

The file is the memory in order. Modules fill it in the order of the machine file, one after the other, or a few KiB of
each in turn where they are interleaved. The guest has
it in one or two ranges: QEMU's q35 (hw/i386/pc_q35.c, since 4.1) puts memory of 2816 MiB or more into 2048 MiB from
address 0, and the rest from 4 GiB on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.rack.machinefile import Dimm

KIB = 1024
MIB = 1024 * KIB
HIGH_ADDRESS = 4096 * MIB
SPLIT_FROM_MB = 2816
LOW_MB_OF_SPLIT = 2048


@dataclass(frozen=True)
class Range:
    """`size` bytes of memory: at `offset` of the file, at `address` of the guest."""

    offset: int
    address: int
    size: int

    @property
    def last_address(self) -> int:
        return self.address + self.size - 1

    def __contains__(self, part: Range) -> bool:
        return self.offset <= part.offset and part.offset + part.size <= self.offset + self.size

    def common(self, offset: int, size: int) -> Range | None:
        """The part of this range that lies in `size` bytes of the file from `offset` on."""
        begin, end = max(self.offset, offset), min(self.offset + self.size, offset + size)
        return Range(begin, self.address + begin - self.offset, end - begin) if begin < end else None


def ranges(memory_mb: int) -> tuple[Range, ...]:
    """All the memory, as the guest's firmware lists it: one range, or one below and one above the hole."""
    if memory_mb < SPLIT_FROM_MB:
        return (Range(0, 0, memory_mb * MIB),)
    low = LOW_MB_OF_SPLIT * MIB
    return (Range(0, 0, low), Range(low, HIGH_ADDRESS, memory_mb * MIB - low))


def file_offset(dimms: Sequence[Dimm], locator: str, offset: int, interleaving_kb: int | None = None) -> int:
    """Where in the file byte `offset` of a module lies. The machine file has been checked: there is such a module, and
    those that are interleaved have one size."""
    index = next(index for index, dimm in enumerate(dimms) if dimm.locator == locator)
    if interleaving_kb:
        turn, rest = divmod(offset, interleaving_kb * KIB)
        return (turn * len(dimms) + index) * interleaving_kb * KIB + rest
    return sum(dimm.size_mb for dimm in dimms[:index]) * MIB + offset


def address(memory_mb: int, offset: int) -> int:
    """The guest-physical address of a byte of the file."""
    holder = next(one for one in ranges(memory_mb) if one.offset <= offset < one.offset + one.size)
    return holder.address + offset - holder.offset


def of_modules(memory_mb: int, dimms: Sequence[Dimm], *, interleaved: bool = False) -> tuple[tuple[Range, ...], ...]:
    """The ranges of each module, in the order of the modules. A module that crosses the hole has two. One that is
    listed beyond the end of the memory has none, as one that was not trained. Interleaved ones share all ranges."""
    if interleaved:
        return (ranges(memory_mb),) * len(dimms)
    placed, offset = [], 0
    for dimm in dimms:
        size = dimm.size_mb * MIB
        parts = (one.common(offset, size) for one in ranges(memory_mb))
        placed.append(tuple(part for part in parts if part is not None))
        offset += size
    return tuple(placed)
