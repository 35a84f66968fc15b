"""Memory that goes bad: the file that is a guest's memory, and a process that changes bits of it while the guest runs.

`python -m tests.rack.bad_ram DESCRIPTOR` has the file at that descriptor and reads faults from standard input, one a
line as JSON (`Fault`). Each is there from its line on. The process ends with its standard input.

Each bit is looked at some hundred times a second, which takes 4 % of a core: on a busy machine with two cores, half of
all writes were undone within 2 ms. A test that writes and reads at once does not see that; on hardware, its read would
come from a cache. Between look and write the guest may write the same byte, and lose that. This window is less than a
microsecond, unless the process is interrupted in it.
"""

from __future__ import annotations

import json
import math
import mmap
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.rack import memory_map
from tests.rack.errors import RackBroken
from tests.rack.machinefile import BadRam, Machine
from tests.rack.memory_map import MIB
from tests.rack.netns import Namespace

LOOK_EVERY_S = 0.0005
WORD_BYTES = 8
_ROOT = Path(__file__).parents[2]

# One look at a fault's cell, with the present time in seconds.
Look = Callable[[float], None]


@dataclass(frozen=True)
class Fault:
    """`bit` of the 64-bit little-endian word at `offset` of the file; the rest as in the machine file."""

    offset: int
    bit: int
    kind: str
    every_s: float
    value: int


def fault_of(machine: Machine, bad: BadRam) -> Fault:
    inside = int(bad.offset_mb * MIB)
    offset = memory_map.file_offset(machine.dimms, bad.dimm, inside, machine.interleaving_kb)
    return Fault(offset - offset % WORD_BYTES, bad.bit, bad.kind, bad.every_s, bad.value)


class Cell:
    """One bit."""

    def __init__(self, memory: mmap.mmap, offset: int, bit: int) -> None:
        self._memory, self._at, self._mask = memory, offset + bit // 8, 1 << bit % 8

    def read(self) -> bool:
        return bool(self._memory[self._at] & self._mask)

    def invert(self) -> None:
        self._memory[self._at] ^= self._mask


def look_at(fault: Fault, memory: mmap.mmap, now: float) -> Look:
    cell = Cell(memory, fault.offset, fault.bit)
    match fault.kind:
        case "flip":
            return _flips(cell, fault.every_s, now)
        case "coupling":
            return _is_coupled(cell, Cell(memory, fault.offset ^ WORD_BYTES, fault.bit))
        case _:
            return _is_stuck(cell, bool(fault.value))


def _is_stuck(cell: Cell, value: bool) -> Look:
    def look(_now: float) -> None:
        if cell.read() is not value:
            cell.invert()

    return look


def _flips(cell: Cell, every_s: float, began: float) -> Look:
    """At once, and then every `every_s`; 0: never again."""
    due = began

    def look(now: float) -> None:
        nonlocal due
        if now >= due:
            cell.invert()
            due = now + every_s if every_s else math.inf

    return look


def _is_coupled(cell: Cell, neighbour: Cell) -> Look:
    """Inverted by each change of the same bit in the other word of its 16 bytes (an inversion coupling fault)."""
    before = neighbour.read()

    def look(_now: float) -> None:
        nonlocal before
        if (value := neighbour.read()) is not before:
            before = value
            cell.invert()

    return look


def as_line(fault: Fault) -> bytes:
    """As the process takes it from its standard input."""
    return json.dumps(asdict(fault)).encode() + b"\n"


class GuestMemory:
    """The memory of one start of a machine, as a file without a name (memfd_create(2)), which is gone with the last
    process that has it; and the process that makes it bad."""

    def __init__(self, machine: Machine, namespace: Namespace) -> None:
        self._machine = machine
        self._close = ExitStack()
        self.descriptor = os.memfd_create("guest-memory")
        self._close.callback(os.close, self.descriptor)
        os.ftruncate(self.descriptor, machine.memory_mb * MIB)
        command = [sys.executable, "-m", "tests.rack.bad_ram", str(self.descriptor)]
        self._injector = subprocess.Popen(
            namespace.enter_command(command), stdin=subprocess.PIPE, pass_fds=(self.descriptor,), cwd=_ROOT,
            start_new_session=True,
        )  # fmt: skip
        self._close.callback(self._injector.communicate)

    def go_bad(self, bad: BadRam) -> None:
        """From now on. Raises RackBroken when the process has ended."""
        assert self._injector.stdin is not None  # it is a pipe
        try:
            self._injector.stdin.write(as_line(fault_of(self._machine, bad)))
            self._injector.stdin.flush()
        except OSError as error:
            raise RackBroken(f"the process that makes memory bad has ended: {error}") from error

    def close(self) -> None:
        """To be called with the machine off."""
        self._close.close()


def _serve(descriptor: int) -> None:
    memory = mmap.mmap(descriptor, os.fstat(descriptor).st_size)
    looks: list[Look] = []
    # Without a buffer: a line that waits in one would not show in select.
    with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as faults:
        while True:
            readable, _, _ = select.select([faults], [], [], LOOK_EVERY_S if looks else None)
            if readable:
                line = faults.readline()
                if not line:
                    return
                looks.append(look_at(Fault(**json.loads(line)), memory, time.monotonic()))
            now = time.monotonic()
            for look in looks:
                look(now)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
