"""Racks side by side, each in a process of its own: a machine file in, a result out and on record."""

from __future__ import annotations

import itertools
import multiprocessing
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from tests.rack import life
from tests.rack.errors import BadMachineFile, RackBroken
from tests.rack.progress import Progress
from tests.rack.rack import Rack
from tests.rack.zoo import results
from tests.rack.zoo.judging import Judged, judge
from tests.rack.zoo.results import Result
from tests.rack.zoo.specimen import Specimen

MET, NOT_MET, BAD_FILE, BROKEN = 0, 1, 2, 3
# A bench that broke so often in a row is broken for every machine.
BROKEN_IN_A_ROW = 3


def run_each(pool: Executor, jobs: int, due: list[Specimen], record: Path, vet: Callable[[Specimen], Result]) -> int:
    """Every result is on record as soon as it is there. What could not be run is said, and left for next time."""
    status, broken_in_a_row = MET, 0
    for number, (one, future) in enumerate(_as_they_end(pool, jobs, due, vet), start=1):
        try:
            result, broken_in_a_row = future.result(), 0
        except (RackBroken, BadMachineFile) as error:
            say(f"{number} of {len(due)}: not run: {one.name}: {error}")
            broke = isinstance(error, RackBroken)
            status, broken_in_a_row = (BROKEN, broken_in_a_row + 1) if broke else (BAD_FILE, broken_in_a_row)
            if broken_in_a_row == BROKEN_IN_A_ROW:
                return BROKEN
            continue
        results.append(result, record)
        say(f"{number} of {len(due)}: {result.judged}: {one.name} {'; '.join(result.why)}".rstrip())
    return status


def _as_they_end(
    pool: Executor, jobs: int, due: list[Specimen], vet: Callable[[Specimen], Result]
) -> Iterator[tuple[Specimen, Future[Result]]]:
    """`jobs` are under way at a time; nothing is begun that nobody asks for."""
    waiting = iter(due)
    under_way = {pool.submit(vet, one): one for one in itertools.islice(waiting, jobs)}
    while under_way:
        for future in wait(under_way, return_when=FIRST_COMPLETED).done:
            yield under_way.pop(future), future
            under_way |= {pool.submit(vet, one): one for one in itertools.islice(waiting, 1)}


def run(one: Specimen, commit: str, jobs: int) -> Result:
    """Raises RackBroken and BadMachineFile; neither is a result."""
    say(f"--- {one.name}: {one.says}")
    at, began = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
    with Rack(one.machine, progress=Progress(label=one.name if jobs > 1 else "")) as rack:
        seen, failures = life.vet(rack)
        judged = judge(one, seen, failures)
        rack.keep_files |= judged[0] is not Judged.MET
    return results.of_run(one, seen, judged, commit=commit, at=at, seconds=time.monotonic() - began, jobs=jobs)


class Racks(ProcessPoolExecutor):
    """So many racks at a time, each in a process of its own, which cleans up when it is interrupted."""

    def __init__(self, jobs: int) -> None:
        spawn = multiprocessing.get_context("spawn")
        super().__init__(jobs, mp_context=spawn, initializer=heed_signals, max_tasks_per_child=1)

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is not None:
            for process in multiprocessing.active_children():
                process.terminate()
        self.shutdown(wait=True, cancel_futures=True)


def heed_signals() -> None:
    """SIGTERM cleans up as Ctrl-C does; a shell's background jobs start with SIGINT ignored. What follows the first
    does not disturb the cleaning."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _end(_signal: int, _frame: FrameType | None) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
