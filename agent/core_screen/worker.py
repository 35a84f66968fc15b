"""One worker: a process that stays on one core, takes orders through a pipe, and answers each with one line of JSON. It
judges nothing: what it answers is compared elsewhere."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from agent.core_screen import libcrypto
from agent.core_screen.operations import BY_NAME, REFUTED, Shared, answer

# Shown by `ps` and in the kernel's log; the number of the core follows.
TITLE = "vet-core-"
_MEMORY_BYTES = 2 << 30
_PR_SET_PDEATHSIG = 1
# An answer to an order lists at most so many different answers of one operation with one seed.
_MOST_ANSWERS = 8


@dataclass(frozen=True)
class Order:
    """Go through `operations` with each of `seeds` for `seconds`, through all of them `least` times at least and `most`
    times at most. Or, if `add` is not 0, add 1 so many times to the counter that all workers share."""

    operations: list[str] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)
    seconds: float = 0.0
    least: int = 1
    most: int = 1 << 30
    add: int = 0


@dataclass(frozen=True)
class WorkerMemory:
    """What a worker shares with the others: the blocks that are copied, the address of the counter, and where it notes
    the number of the operation and the seed that it works on, in case it crashes."""

    shared: Shared
    counter: int
    note: memoryview


def serve(core: int, orders: int, answers: int, memory: WorkerMemory) -> None:
    """Carry out orders in the worker's own process until the pipe `orders` ends. Does not return."""
    try:
        _settle(core)
        with os.fdopen(orders, "rb") as lines, os.fdopen(answers, "wb", buffering=0) as out:
            for line in lines:
                out.write(json.dumps(carry_out(Order(**json.loads(line)), core, memory)).encode() + b"\n")
    except OSError:
        os._exit(1)
    finally:
        os._exit(0)


def _settle(core: int) -> None:
    """The worker stays on its core, has bounded memory, leaves no core file, and ends with the process that started
    it."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(f"{TITLE}{core}")
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))


def carry_out(order: Order, core: int, memory: WorkerMemory) -> dict[str, Any]:
    """The answer to an order: `answers`, a list of operation, seed, answer and how often it came; or `rising`; or
    `trouble`, why there is no answer."""
    try:
        os.sched_setaffinity(0, {core})
    except OSError as error:
        return {"trouble": f"no process can run on it: {error.strerror}"}
    try:
        done: dict[str, Any] = (
            {"rising": libcrypto.add(memory.counter, order.add)} if order.add else _work(order, memory)
        )
    except (MemoryError, OSError, libcrypto.CryptoFailed) as error:
        return {"trouble": f"{type(error).__name__}: {error}"[:200]}
    return done if _is_on(core) else {"trouble": "its worker was moved to another core"}


def _work(order: Order, memory: WorkerMemory) -> dict[str, Any]:
    found: dict[tuple[str, int], Counter[str]] = {}
    until, cycles = time.monotonic() + order.seconds, 0
    steps = [(number, name, seed) for seed in order.seeds for number, name in enumerate(order.operations, start=1)]
    while cycles < order.most and (cycles < order.least or time.monotonic() < until):
        for number, name, seed in steps:
            if cycles >= order.least and time.monotonic() >= until:
                break
            memory.note[0], memory.note[1] = number, seed
            answers = found.setdefault((name, seed), Counter())
            said = answer(BY_NAME[name], seed, memory.shared)
            answers[said if said in answers or len(answers) < _MOST_ANSWERS else f"{REFUTED}one more answer"] += 1
        cycles += 1
    memory.note[0] = 0
    return {"answers": [[*key, text, times] for key, texts in found.items() for text, times in texts.items()]}


def _is_on(core: int) -> bool:
    """Whether the kernel still lets this process run on its core only."""
    return os.sched_getaffinity(0) == {core}


def line_of(order: Order) -> bytes:
    return json.dumps(asdict(order)).encode() + b"\n"
