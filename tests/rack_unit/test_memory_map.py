"""From a place in a module to the guest's address, and to the file."""

from __future__ import annotations

import pytest

from tests.rack import memory_map
from tests.rack.machinefile import Dimm
from tests.rack.memory_map import MIB, Range

GIB = 1024 * MIB


def modules(*sizes_mb: int) -> list[Dimm]:
    return [Dimm(locator=f"DIMM_{n}", size_mb=size, serial=f"D-{n}") for n, size in enumerate(sizes_mb)]


@pytest.mark.parametrize("memory_mb", [1, 2048, 2815])
def test_memory_below_the_split_is_one_range(memory_mb: int) -> None:
    assert memory_map.ranges(memory_mb) == (Range(0, 0, memory_mb * MIB),)


def test_from_2816_mib_on_what_lies_beyond_two_gib_begins_at_four() -> None:
    assert memory_map.ranges(2816) == (Range(0, 0, 2 * GIB), Range(2 * GIB, 4 * GIB, 768 * MIB))


def test_modules_follow_each_other() -> None:
    assert memory_map.of_modules(1536, modules(1024, 512)) == (
        (Range(0, 0, GIB),),
        (Range(GIB, GIB, 512 * MIB),),
    )


def test_a_module_across_the_hole_has_two_ranges() -> None:
    first, second = memory_map.of_modules(3072, modules(1536, 1536))
    assert first == (Range(0, 0, 1536 * MIB),)
    assert second == (Range(1536 * MIB, 1536 * MIB, 512 * MIB), Range(2 * GIB, 4 * GIB, GIB))


def test_a_module_beyond_the_end_of_the_memory_has_no_addresses() -> None:
    assert memory_map.of_modules(2048, modules(2048, 2048))[1] == ()


def test_memory_that_no_module_is_listed_for_belongs_to_none() -> None:
    assert memory_map.of_modules(2048, modules(512)) == ((Range(0, 0, 512 * MIB),),)


def test_a_byte_of_a_module_is_found_in_the_file_and_at_its_address() -> None:
    dimms = modules(1536, 1536)
    low = memory_map.file_offset(dimms, "DIMM_1", 100 * MIB)
    high = memory_map.file_offset(dimms, "DIMM_1", 700 * MIB)
    assert (low, high) == (1636 * MIB, 2236 * MIB)
    assert memory_map.address(3072, low) == 1636 * MIB
    assert memory_map.address(3072, high) == 4 * GIB + 188 * MIB


def test_interleaved_modules_have_their_kibs_in_turn() -> None:
    dimms = modules(1024, 1024)
    offsets = [memory_map.file_offset(dimms, f"DIMM_{n}", at, 4) for at in (0, 4095, 4096) for n in (0, 1)]
    assert offsets == [0, 4096, 4095, 8191, 8192, 12288]
    assert memory_map.file_offset(dimms, "DIMM_1", 1024 * MIB - 1, 4) == 2048 * MIB - 1


def test_interleaved_modules_share_all_addresses() -> None:
    both = memory_map.ranges(4096)
    assert memory_map.of_modules(4096, modules(2048, 2048), interleaved=True) == (both, both)
