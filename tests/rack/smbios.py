"""Memory modules and their addresses as raw SMBIOS structures (DMTF DSP0134, 2.8). QEMU itself can only list equal
modules of 16 GiB each, and lists no address of a module. It makes no structure of a type that a file brings."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Sequence

from tests.rack import memory_map
from tests.rack.machinefile import Dimm, Machine
from tests.rack.memory_map import KIB, Range

ARRAY_HANDLE = 0x1000
FIRST_DIMM_HANDLE = 0x1100
FIRST_RANGE_HANDLE = 0x1300
FIRST_MODULE_RANGE_HANDLE = 0x1400
NO_ERROR_HANDLE = 0xFFFE
SIZE_IS_EXTENDED = 0x7FFF


def memory(machine: Machine) -> list[bytes]:
    """Everything about the machine's memory, one structure each: the array, its modules, its ranges of addresses, and
    those of each module."""
    ranges, interleaved = memory_map.ranges(machine.memory_mb), machine.interleaving_kb is not None
    tables = [memory_array(machine.dimms)]
    tables += [memory_device(index, dimm) for index, dimm in enumerate(machine.dimms)]
    width = len(machine.dimms) if interleaved else 1
    tables += [array_addresses(index, one, width) for index, one in enumerate(ranges)]
    placed = memory_map.of_modules(machine.memory_mb, machine.dimms, interleaved=interleaved)
    number = itertools.count()
    for module, parts in enumerate(placed):
        position = module + 1 if interleaved else 0
        for part in parts:
            array = next(index for index, one in enumerate(ranges) if part in one)
            tables.append(module_addresses(next(number), module, part, array=array, position=position))
    return tables


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
    rated_mts = dimm.rated_mts or dimm.speed_mts
    size = dimm.size_mb if dimm.size_mb < SIZE_IS_EXTENDED else SIZE_IS_EXTENDED
    fixed = struct.pack(
        "<HHHHHBBBBBHHBBBBBIHHHH",
        ARRAY_HANDLE, NO_ERROR_HANDLE, 64, 64, size, form_dimm, 0, 1, 2, plain_ram, synchronous, rated_mts,
        3, 4, 0, 5, 0, dimm.size_mb if size == SIZE_IS_EXTENDED else 0, dimm.speed_mts, 0, 0, 0,
    )  # fmt: skip
    strings = (dimm.locator, "BANK 0", dimm.manufacturer, dimm.serial, dimm.part)
    return _structure(17, FIRST_DIMM_HANDLE + index, fixed, strings)


def array_addresses(index: int, whole: Range, width: int) -> bytes:
    """Type 19: addresses that are memory, and how many modules share them."""
    fixed = struct.pack("<IIHBQQ", *_in_kib(whole), ARRAY_HANDLE, width, 0, 0)
    return _structure(19, FIRST_RANGE_HANDLE + index, fixed, ())


def module_addresses(number: int, module: int, part: Range, *, array: int, position: int) -> bytes:
    """Type 20: the addresses of one module, or a part of them, in the type 19 of number `array`. `position` is its
    place among the modules that share them, from 1 on; 0: it is not interleaved."""
    row, rows_at_a_time = 1, 1 if position else 0
    handles = (FIRST_DIMM_HANDLE + module, FIRST_RANGE_HANDLE + array)
    fixed = struct.pack("<IIHHBBBQQ", *_in_kib(part), *handles, row, position, rows_at_a_time, 0, 0)
    return _structure(20, FIRST_MODULE_RANGE_HANDLE + number, fixed, ())


def _in_kib(part: Range) -> tuple[int, int]:
    """First and last KiB; 32 bits of it reach to 4 TiB, which no machine of the rack has."""
    return part.address // KIB, part.last_address // KIB


def as_listed(text: str) -> str:
    """A string of the firmware as dmidecode lists it: each byte that is not printable ASCII as a dot."""
    return "".join(chr(byte) if 32 <= byte < 127 else "." for byte in text.encode()).strip()


def _structure(kind: int, handle: int, fixed: bytes, strings: Sequence[str]) -> bytes:
    header = struct.pack("<BBH", kind, 4 + len(fixed), handle)
    # An empty string would end the list: boards that have nothing to say write blanks.
    text = b"".join((string or " ").encode() + b"\0" for string in strings) or b"\0"
    return header + fixed + text + b"\0"
