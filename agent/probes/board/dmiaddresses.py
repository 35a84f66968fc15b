"""Which memory module answers to a physical address: the addresses of modules (SMBIOS type 20) and of arrays (type 19),
after DMTF DSP0134 7.20 and 7.21 in dmidecode's words.

Many boards fill these tables with constants. So the map is used as a whole or not at all: it must cover all memory that
the kernel uses, and no module may have more addresses than its size. A board that forgets the hole below 4 GiB fails
the first of these, a board that gives each module all addresses fails the second.
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agent.contract import wire
from agent.probes.board import dmimemory
from agent.probes.board.dmidecode import Structure
from agent.probes.board.iomem import Range
from agent.probes.board.meminfo import MIB

_ADDRESS = re.compile(r"0x[0-9A-Fa-f]{1,16}")
# Boards list an empty slot with addresses from 0 to 0, of which dmidecode makes one KiB (Intel D945, Sony VAIO).
_NOTHING_BYTES = 1024
# No board has so many; the time to compare them grows with the square.
_MOST = 1024


@dataclass(frozen=True)
class Span:
    """Addresses from `start` up to `end`, and the modules that share them: one, or several that are interleaved."""

    start: int
    end: int
    modules: tuple[str, ...]

    @property
    def size(self) -> int:
        return self.end - self.start


@dataclass(frozen=True)
class AddressMap:
    """`spans` are in order and do not overlap. If there are none, `unknown` says why no address tells its module. `ram`
    are the addresses that the kernel uses."""

    spans: tuple[Span, ...] = ()
    unknown: str = ""
    ram: tuple[Range, ...] = ()

    @property
    def names(self) -> list[str]:
        """All modules that have addresses."""
        return sorted({name for span in self.spans for name in span.modules})

    def used(self) -> list[Span]:
        """The parts of the spans that the kernel uses as RAM."""
        common = (
            Span(max(start, span.start), min(end, span.end), span.modules)
            for span in self.spans
            for start, end in self.ram
        )
        return [part for part in common if part.size > 0]

    def modules(self, address: int) -> tuple[str, ...]:
        """The module with this address; several if they are interleaved; none if that is not known."""
        index = bisect_right(self.spans, address, key=lambda span: span.start) - 1
        return self.spans[index].modules if index >= 0 and address < self.spans[index].end else ()


@dataclass(frozen=True)
class _Entry:
    """A structure of type 20. `position` is None if the firmware does not know whether the module is interleaved, and 0
    if it is not."""

    start: int
    end: int
    module: str
    array: str
    position: int | None


@dataclass(frozen=True)
class _Piece:
    """`listed` are the modules that the firmware gives these addresses to."""

    span: Span
    listed: frozenset[str]


class _Unusable(Exception):
    """Why the firmware's tables tell of no address which module it belongs to."""


def read(structures: list[Structure], ram: Sequence[Range]) -> AddressMap:
    """`ram` are the addresses that the kernel uses."""
    modules = dmimemory.by_handle(structures)
    try:
        pieces = _pieces(_entries(structures, modules))
        _check(pieces, modules.values(), ram)
    except _Unusable as error:
        if only := only_module(modules.values(), ram):
            return AddressMap(tuple(Span(start, end, (only,)) for start, end in ram), ram=tuple(ram))
        return AddressMap(unknown=str(error), ram=tuple(ram))
    return AddressMap(tuple(piece.span for piece in pieces), ram=tuple(ram))


def only_module(modules: Iterable[wire.Dimm], ram: Sequence[Range]) -> str:
    """The name of the module that is all memory; empty if the firmware lists several. It may list one of many: so it is
    none, either, if it has less than the kernel uses, or no known size. `ram` is empty if that was not read."""
    listed = [dimm for dimm in modules if dimm.ram_mb != 0]
    if len(listed) != 1:
        return ""
    used = sum(end - start for start, end in ram)
    return listed[0].locator if used <= ((listed[0].size_mb or 0) + 1) * MIB or not ram else ""


def _entries(structures: list[Structure], modules: dict[str, wire.Dimm]) -> list[_Entry]:
    listed = [one for one in structures if one.kind == 20]
    if not listed:
        raise _Unusable("the firmware lists no addresses of modules (SMBIOS type 20)")
    if len(listed) > _MOST:
        raise _Unusable(f"the firmware lists {len(listed)} ranges of addresses (SMBIOS type 20)")
    found = [entry for one in listed if (entry := _entry(one, modules)) is not None]
    if not found:
        raise _Unusable("the addresses of modules that the firmware lists (SMBIOS type 20) are empty")
    return found


def _entry(one: Structure, modules: dict[str, wire.Dimm]) -> _Entry | None:
    """None for an empty range. Addresses of an empty slot may not be those of memory."""
    first, last = (_address(one.fields.get(name, "")) for name in ("Starting Address", "Ending Address"))
    if first is None or last is None or last < first:
        raise _Unusable(
            f"the firmware lists addresses that can't be read (SMBIOS type 20, handle {one.handle.lower()})"
        )
    if last - first < _NOTHING_BYTES:
        return None
    handle = one.fields.get("Physical Device Handle", "").upper()
    if handle not in modules:
        raise _Unusable(f"the firmware lists addresses for a module that it does not list ({handle.lower() or 'none'})")
    array = one.fields.get("Memory Array Mapped Address Handle", "").upper()
    return _Entry(first, last + 1, modules[handle].locator, array, _position(one.fields))


def _address(text: str) -> int | None:
    return int(text, 16) if _ADDRESS.fullmatch(text) else None


def _position(fields: dict[str, str]) -> int | None:
    """dmidecode prints no line for 0, which means not interleaved."""
    text = fields.get("Interleave Position", "0")
    return int(text) if text.isascii() and text.isdigit() else None


def _pieces(entries: list[_Entry]) -> list[_Piece]:
    """The addresses between each two borders, with all modules that share them."""
    borders = sorted({border for one in entries for border in (one.start, one.end)})
    pieces = [_piece(start, end, entries) for start, end in itertools.pairwise(borders)]
    return [piece for piece in pieces if piece.listed]


def _piece(start: int, end: int, entries: list[_Entry]) -> _Piece:
    here = [one for one in entries if one.start <= start and end <= one.end]
    listed = {one.module for one in here}
    if len(listed) > 1 and all(one.position == 0 for one in here):
        several = ", ".join(sorted(listed))
        raise _Unusable(f"the firmware gives the same addresses to {several}, and says that they are not interleaved")
    others = set()
    if len(listed) == 1 and any(one.position != 0 for one in here):
        # Interleaved with modules that have other addresses by these tables: any of them may have this one.
        arrays = {one.array for one in here}
        others = {one.module for one in entries if one.position != 0 and one.array in arrays}
    return _Piece(Span(start, end, tuple(sorted(listed | others))), frozenset(listed))


def _check(pieces: list[_Piece], modules: Iterable[wire.Dimm], ram: Sequence[Range]) -> None:
    for dimm in modules:
        given = sum(piece.span.size / len(piece.listed) for piece in pieces if dimm.locator in piece.listed)
        if given and dimm.size_mb is None:
            raise _Unusable(f"the size of {dimm.locator} is not known")
        if given > ((dimm.size_mb or 0) + 1) * MIB:
            has = f"{dimm.locator}, which has {dimm.size_mb} MiB"
            raise _Unusable(f"the firmware gives {given / MIB:.0f} MiB of addresses to {has}")
    spans = [piece.span for piece in pieces]
    if outside := sum(end - start - inside(spans, start, end) for start, end in ram):
        raise _Unusable(f"the firmware gives {outside / MIB:.0f} MiB of the kernel's memory to no module")


def inside(spans: Iterable[Span], start: int, end: int) -> int:
    """How many bytes from `start` up to `end` lie in the spans."""
    return sum(max(0, min(end, span.end) - max(start, span.start)) for span in spans)
