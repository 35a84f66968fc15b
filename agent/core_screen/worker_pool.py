"""One worker process for each core: started by fork, asked through pipes, and ended."""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import selectors
import signal
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent.core_screen import worker
from agent.core_screen.operations import Shared
from agent.core_screen.worker import Order, WorkerMemory

_BLOCK_BYTES = 64 * 1024
# Seconds that a worker may take beyond the time of its order. An emulated processor takes seconds for one round.
ANSWER_LIMIT_S = 60.0
# The signals for a fault of a program. The same program with the same data has none on a good core with good memory.
_CRASHES = frozenset({signal.SIGSEGV, signal.SIGILL, signal.SIGFPE, signal.SIGBUS, signal.SIGABRT, signal.SIGTRAP})


@dataclass(frozen=True)
class Crash:
    """A worker that was ended by a signal for a fault, and what it worked on."""

    core: int
    signal: str
    operation: str
    seed: int


@dataclass
class Reply:
    """What one core answered to an order: an answer, or why there is none, or how its worker crashed."""

    answer: dict[str, Any] = field(default_factory=dict)
    trouble: str = ""
    crash: Crash | None = None


@dataclass
class _Worker:
    pid: int
    orders: int
    answers: int
    buffer: bytes = b""


class WorkerPool:
    """One worker for each core in use. `packages` has the cores of each package; one of them writes the package's block
    of the shared memory."""

    def __init__(self, packages: Mapping[int, Sequence[int]]) -> None:
        cores = [core for members in packages.values() for core in members]
        self._workers: dict[int, _Worker] = {}
        self._slots = {core: slot for slot, core in enumerate(cores)}
        self._notes = mmap.mmap(-1, max(mmap.PAGESIZE, 16 * len(cores)))
        self._counter = mmap.mmap(-1, mmap.PAGESIZE)
        self._blocks = [mmap.mmap(-1, _BLOCK_BYTES) for _ in packages]

    def ask(self, cores: Iterable[int], order: Order) -> dict[int, Reply]:
        """What each core answers, all of them at once. A core without a worker gets one."""
        replies: dict[int, Reply] = {}
        with selectors.DefaultSelector() as selector:
            for core in cores:
                try:
                    one = self._workers.get(core) or self._start(core)
                    os.write(one.orders, worker.line_of(order))
                except OSError as error:
                    replies[core] = self._ended(core, order) if core in self._workers else Reply(trouble=str(error))
                    continue
                selector.register(one.answers, selectors.EVENT_READ, core)
            self._listen(selector, order, replies)
        return replies

    def add(self, cores: Sequence[int], times: int) -> tuple[dict[int, Reply], int]:
        """All `cores` add to one counter at the same time: their replies, and by how much it rose."""
        number = ctypes.c_int.from_buffer(self._counter)
        number.value = 0
        replies = self.ask(cores, Order(add=times))
        return replies, number.value

    def fill(self, packages: Mapping[int, Sequence[int]], content: Sequence[bytes]) -> None:
        """The blocks get their content. Each lies in the memory of its package: a process on one of its cores is the
        first to write it."""
        before = os.sched_getaffinity(0)
        for block, members, data in zip(self._blocks, packages.values(), content, strict=True):
            try:
                os.sched_setaffinity(0, set(members))
                block[:] = (data * (_BLOCK_BYTES // len(data) + 1))[:_BLOCK_BYTES]
            except OSError:
                continue
            finally:
                os.sched_setaffinity(0, before)

    def end(self, core: int) -> None:
        """End the worker of a core. The next order gets a fresh one."""
        one = self._workers.pop(core, None)
        if one is None:
            return
        os.close(one.orders)
        os.close(one.answers)
        os.kill(one.pid, signal.SIGKILL)
        os.waitpid(one.pid, 0)

    def close(self) -> None:
        for core in list(self._workers):
            self.end(core)

    def _start(self, core: int) -> _Worker:
        (orders, own_orders), (own_answers, answers) = os.pipe(), os.pipe()
        slot = self._slots[core]
        note = memoryview(self._notes)[16 * slot : 16 * slot + 16].cast("Q")
        shared = Shared([memoryview(block) for block in self._blocks])
        memory = WorkerMemory(shared, ctypes.addressof(ctypes.c_int.from_buffer(self._counter)), note)
        pid = os.fork()
        if pid == 0:
            for other in (
                own_orders,
                own_answers,
                *(end for w in self._workers.values() for end in (w.orders, w.answers)),
            ):
                os.close(other)
            worker.serve(core, orders, answers, memory)
        os.close(orders)
        os.close(answers)
        self._workers[core] = _Worker(pid, own_orders, own_answers)
        return self._workers[core]

    def _listen(self, selector: selectors.BaseSelector, order: Order, replies: dict[int, Reply]) -> None:
        until = time.monotonic() + order.seconds + ANSWER_LIMIT_S
        while waiting := selector.get_map():
            ready = selector.select(max(0.0, until - time.monotonic()))
            if not ready:
                for key in list(waiting.values()):
                    self.end(key.data)
                    replies[key.data] = Reply(trouble=f"its worker gave no answer within {ANSWER_LIMIT_S:.0f} s")
                return
            for key, _ in ready:
                core: int = key.data
                one = self._workers[core]
                chunk = os.read(one.answers, 1 << 16)
                one.buffer += chunk
                line, end, one.buffer = one.buffer.partition(b"\n") if b"\n" in one.buffer else (b"", b"", one.buffer)
                if chunk and not end:
                    continue
                selector.unregister(key.fileobj)
                replies[core] = _read(line) if end else self._ended(core, order)

    def _ended(self, core: int, order: Order) -> Reply:
        """Why a worker has ended."""
        one = self._workers.pop(core)
        os.close(one.orders)
        os.close(one.answers)
        _, status = os.waitpid(one.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        at, seed = memoryview(self._notes)[16 * self._slots[core] :][:16].cast("Q")
        name = order.operations[at - 1] if 0 < at <= len(order.operations) else "counter" if order.add else ""
        if -code in _CRASHES:
            return Reply(crash=Crash(core, signal.Signals(-code).name, name, seed))
        return Reply(trouble=f"its worker ended with {code}")


def _read(line: bytes) -> Reply:
    try:
        answer = json.loads(line)
    except ValueError:
        return Reply(trouble="its worker's answer can't be read")
    return Reply(answer, str(answer.get("trouble") or ""))
