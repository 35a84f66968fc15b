"""Memory modules as raw SMBIOS structures (DMTF DSP0134, 2.8): QEMU itself can only list equal ones, 16 GiB
each."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from tests.rack.machinefile import Dimm

ARRAY_HANDLE = 0x1000  # the handle QEMU's own type 19 refers to
FIRST_DIMM_HANDLE = 0x1100
NO_ERROR_HANDLE = 0xFFFE
SIZE_IS_EXTENDED = 0x7FFF


def memory_array(dimms: Sequence[Dimm]) -> bytes:
    """Type 16: the board's memory slots, without error correction, which is what a virtual machine has."""
    on_board, system_memory, no_ecc = 3, 3, 3
    capacity_kb = sum(dimm.size_mb for dimm in dimms) * 1024
    fixed = struct.pack("<BBBIHHQ", on_board, system_memory, no_ecc, capacity_kb, NO_ERROR_HANDLE, len(dimms), 0)
    return _structure(16, ARRAY_HANDLE, fixed, ())


def memory_device(index: int, dimm: Dimm) -> bytes:
    """Type 17: one module in its slot."""
    # Of no kind in particular, as QEMU has it: for DDR4 the kernel would look for an SPD chip that is not there.
    form_dimm, plain_ram, synchronous = 0x09, 0x07, 0x80
    size = dimm.size_mb if dimm.size_mb < SIZE_IS_EXTENDED else SIZE_IS_EXTENDED
    fixed = struct.pack(
        "<HHHHHBBBBBHHBBBBBIHHHH",
        ARRAY_HANDLE, NO_ERROR_HANDLE, 64, 64, size, form_dimm, 0, 1, 2, plain_ram, synchronous, dimm.speed_mts,
        3, 4, 0, 5, 0, dimm.size_mb if size == SIZE_IS_EXTENDED else 0, dimm.speed_mts, 0, 0, 0,
    )  # fmt: skip
    strings = (dimm.locator, "BANK 0", dimm.manufacturer, dimm.serial, dimm.part)
    return _structure(17, FIRST_DIMM_HANDLE + index, fixed, strings)


def as_listed(text: str) -> str:
    """A string of the firmware as dmidecode lists it: each byte that is not printable ASCII as a dot."""
    return "".join(chr(byte) if 32 <= byte < 127 else "." for byte in text.encode()).strip()


def _structure(kind: int, handle: int, fixed: bytes, strings: Sequence[str]) -> bytes:
    header = struct.pack("<BBH", kind, 4 + len(fixed), handle)
    # An empty string would end the list: boards that have nothing to say write blanks.
    text = b"".join((string or " ").encode() + b"\0" for string in strings) or b"\0"
    return header + fixed + text + b"\0"
