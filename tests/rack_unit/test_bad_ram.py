"""Bits that change in a guest's memory, here in a plain file."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rack import bad_ram, machinefile
from tests.rack.bad_ram import Fault

SIZE = 4096
AT = 1024


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[mmap.mmap]:
    file = tmp_path / "memory"
    file.write_bytes(bytes(SIZE))
    with file.open("r+b") as opened, mmap.mmap(opened.fileno(), SIZE) as mapped:
        yield mapped


def fault(kind: str, *, bit: int = 3, every_s: float = 5, value: int = 1) -> Fault:
    return Fault(AT, bit, kind, every_s, value)


def only_byte(memory: mmap.mmap) -> tuple[int, int] | None:
    """Where there is something else than zero, and what; None: nowhere."""
    changed = [(at, byte) for at, byte in enumerate(memory[:]) if byte]
    assert len(changed) <= 1
    return changed[0] if changed else None


@pytest.mark.parametrize(("bit", "byte"), [(0, (AT, 1)), (3, (AT, 8)), (8, (AT + 1, 1)), (63, (AT + 7, 128))])
def test_a_bit_is_one_of_the_64_of_its_word(memory: mmap.mmap, bit: int, byte: tuple[int, int]) -> None:
    bad_ram.look_at(fault("stuck", bit=bit), memory, 0)(0)
    assert only_byte(memory) == byte


@pytest.mark.parametrize("kind", ["stuck", "late"])
@pytest.mark.parametrize(("value", "written", "found"), [(1, 0x00, 0x08), (1, 0xFF, 0xFF), (0, 0xFF, 0xF7)])
def test_a_stuck_bit_reads_as_its_value_whatever_is_written(
    memory: mmap.mmap, kind: str, value: int, written: int, found: int
) -> None:
    look = bad_ram.look_at(fault(kind, value=value), memory, 0)
    for _ in range(2):
        memory[AT] = written
        look(0)
        assert memory[AT] == found


def test_a_bit_flips_at_once_and_again_each_time(memory: mmap.mmap) -> None:
    look = bad_ram.look_at(fault("flip", every_s=5), memory, 100)
    seen = []
    for now in (100, 104.9, 105, 109, 110):
        look(now)
        seen.append(memory[AT])
    assert seen == [8, 8, 0, 0, 8]


def test_a_bit_that_flips_once_does_not_flip_again(memory: mmap.mmap) -> None:
    look = bad_ram.look_at(fault("flip", every_s=0), memory, 0)
    for now in range(100):
        look(now)
    assert memory[AT] == 8


def test_a_coupled_bit_is_inverted_by_each_change_of_its_neighbour(memory: mmap.mmap) -> None:
    look = bad_ram.look_at(fault("coupling"), memory, 0)
    look(0)
    assert only_byte(memory) is None
    seen = []
    for neighbour in (0xFF, 0xFF, 0xF7, 0xF6, 0x08):
        memory[AT + 8] = neighbour
        look(0)
        seen.append(memory[AT])
    assert seen == [8, 8, 0, 0, 8]


def test_the_neighbour_of_the_last_word_lies_before_it(memory: mmap.mmap) -> None:
    look = bad_ram.look_at(Fault(SIZE - 8, 0, "coupling", 5, 1), memory, 0)
    memory[SIZE - 16] = 1
    look(0)
    assert memory[SIZE - 8] == 1


def test_a_fault_of_a_machine_file_lies_in_its_module() -> None:
    content = {
        "name": "m",
        "memory_mb": 2048,
        "dimms": [{"locator": f"DIMM_{bank}1", "size_mb": 1024, "serial": bank} for bank in "AB"],
        "bad_ram": [{"dimm": "DIMM_B1", "offset_mb": 0.00001, "bit": 40, "kind": "flip", "every_s": 2}],
        "nics": [{"model": "virtio", "mac": "52:54:00:00:00:01"}],
        "outcome": {},
    }
    machine = machinefile.parse(content, "m.yaml")
    assert bad_ram.fault_of(machine, machine.bad_ram[0]) == Fault(1024 * 1024 * 1024 + 8, 40, "flip", 2, 1)


def test_the_process_makes_the_faults_that_it_is_told_until_its_input_ends(memory: mmap.mmap, tmp_path: Path) -> None:
    with (tmp_path / "memory").open("r+b") as opened:
        command = [sys.executable, "-m", "tests.rack.bad_ram", str(opened.fileno())]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=(opened.fileno(),))
    other = Fault(AT + 64, 0, "stuck", 5, 1)
    assert process.stdin is not None
    process.stdin.write(bad_ram.as_line(fault("stuck")) + bad_ram.as_line(other))
    process.stdin.flush()
    deadline = time.monotonic() + 30
    while (memory[AT], memory[AT + 64]) != (8, 1) and time.monotonic() < deadline:
        os.sched_yield()
    assert (memory[AT], memory[AT + 64]) == (8, 1)
    process.communicate(timeout=30)
    assert process.returncode == 0
