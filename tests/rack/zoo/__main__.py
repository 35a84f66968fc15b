"""`python -m tests.rack.zoo`: runs machine files, one or several at a time, keeps their results and writes docs/zoo.md.

Exit status: 0 every outcome was met, 1 some were not, 2 a bad file or nothing fits, 3 the rack broke.
"""

from __future__ import annotations

import argparse
import functools
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
from tests.rack.zoo import page, results, specimen
from tests.rack.zoo.judging import Judged, judge
from tests.rack.zoo.results import Result
from tests.rack.zoo.specimen import Specimen

MET, NOT_MET, BAD_FILE, BROKEN = 0, 1, 2, 3
# A bench that broke so often in a row is broken for every machine.
BROKEN_IN_A_ROW = 3


def main(words: list[str] | None = None) -> int:
    options = _parser().parse_args(words)
    _heed_signals()
    try:
        everything = specimen.every()
        chosen = specimen.chosen(everything, options.only)
    except BadMachineFile as error:
        _say(str(error))
        return BAD_FILE
    if not chosen:
        known = ", ".join(one.name for one in everything)
        _say(f"no machine file fits {options.only!r}; there are {known}")
        return BAD_FILE
    try:
        status = _run_all(chosen, options)
    except KeyboardInterrupt:
        _say("interrupted; the same command goes on from here")
        status = 128 + signal.SIGINT
    record = results.read(options.results)
    options.page.write_text(page.render(everything, record), encoding="utf-8")
    return status or _tell(chosen, record)


def _run_all(chosen: list[Specimen], options: argparse.Namespace) -> int:
    commit = results.commit_of_the_product()
    due = results.due(chosen, results.read(options.results), commit, options.repeat)
    _say(f"{len(due)} runs at {commit}, of {len(chosen)} machines, {options.jobs} at a time")
    vet = functools.partial(run, commit=commit, jobs=options.jobs)
    with Racks(options.jobs) as racks:
        return run_each(racks, options.jobs, due, options.results, vet)


def run_each(racks: Executor, jobs: int, due: list[Specimen], record: Path, vet: Callable[[Specimen], Result]) -> int:
    """Every result is on record as soon as it is there. What could not be run is said, and left for next time."""
    status, broken_in_a_row = MET, 0
    for number, (one, future) in enumerate(_as_they_end(racks, jobs, due, vet), start=1):
        try:
            result, broken_in_a_row = future.result(), 0
        except (RackBroken, BadMachineFile) as error:
            _say(f"{number} of {len(due)}: not run: {one.name}: {error}")
            broke = isinstance(error, RackBroken)
            status, broken_in_a_row = (BROKEN, broken_in_a_row + 1) if broke else (BAD_FILE, broken_in_a_row)
            if broken_in_a_row == BROKEN_IN_A_ROW:
                return BROKEN
            continue
        results.append(result, record)
        _say(f"{number} of {len(due)}: {result.judged}: {one.name} {'; '.join(result.why)}".rstrip())
    return status


def _as_they_end(
    racks: Executor, jobs: int, due: list[Specimen], vet: Callable[[Specimen], Result]
) -> Iterator[tuple[Specimen, Future[Result]]]:
    """`jobs` are under way at a time; nothing is begun that nobody asks for."""
    waiting = iter(due)
    under_way = {racks.submit(vet, one): one for one in itertools.islice(waiting, jobs)}
    while under_way:
        for future in wait(under_way, return_when=FIRST_COMPLETED).done:
            yield under_way.pop(future), future
            under_way |= {racks.submit(vet, one): one for one in itertools.islice(waiting, 1)}


def run(one: Specimen, commit: str, jobs: int) -> Result:
    """Raises RackBroken and BadMachineFile; neither is a result."""
    _say(f"--- {one.name}: {one.says}")
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
        super().__init__(jobs, mp_context=spawn, initializer=_heed_signals, max_tasks_per_child=1)

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is not None:
            for process in multiprocessing.active_children():
                process.terminate()
        self.shutdown(wait=True, cancel_futures=True)


def _tell(chosen: list[Specimen], record: list[Result]) -> int:
    """The table on standard output, and whether all of it is as it should be."""
    newest = results.newest(record)
    told = [newest[one.name] for one in chosen if one.name in newest]
    for result in told:
        blamed = ", ".join(dict.fromkeys(f"{f['component']} in {f['stage']}" for f in result.blamed))
        print(f"{result.machine:32} {result.judged:15} {blamed}")
    print("  ".join(f"{judged}: {sum(r.judged is judged for r in told)}" for judged in Judged))
    return MET if all(result.judged is Judged.MET for result in told) else NOT_MET


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.rack.zoo", description="Vets the machines of the zoo.")
    parser.add_argument("--only", default="", metavar="GLOBS", help="names that fit; `healthy`: all that are")
    parser.add_argument("--repeat", type=_at_least_one, default=1, metavar="N", help="results of each at this commit")
    parser.add_argument("--jobs", type=_at_least_one, default=1, metavar="N", help="machines at a time")
    parser.add_argument("--results", type=Path, default=results.RESULTS, metavar="FILE")
    parser.add_argument("--page", type=Path, default=page.PAGE, metavar="FILE")
    return parser


def _at_least_one(word: str) -> int:
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word} is no number from 1")
    return int(word)


def _heed_signals() -> None:
    """SIGTERM cleans up as Ctrl-C does; a shell's background jobs start with SIGINT ignored."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)


def _end(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
