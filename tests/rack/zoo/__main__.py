"""`python -m tests.rack.zoo`: runs machine files, one or several at a time, keeps their results and writes docs/zoo.md.

Exit status: 0 every outcome was met, 1 some were not, 2 a bad file or nothing fits, 3 the rack broke.
"""

from __future__ import annotations

import argparse
import functools
import signal
import sys
from pathlib import Path

from tests.mutants import page as proof
from tests.mutants import record as mutants
from tests.rack.errors import BadMachineFile
from tests.rack.zoo import page, racks, results, specimen
from tests.rack.zoo.judging import Judged
from tests.rack.zoo.racks import BAD_FILE, MET, NOT_MET
from tests.rack.zoo.results import Result
from tests.rack.zoo.specimen import Specimen


def main(words: list[str] | None = None) -> int:
    options = _parser().parse_args(words)
    racks.heed_signals()
    try:
        everything = specimen.every()
        chosen = specimen.chosen(everything, options.only)
    except BadMachineFile as error:
        racks.say(str(error))
        return BAD_FILE
    if not chosen:
        known = ", ".join(one.name for one in everything)
        racks.say(f"no machine file fits {options.only!r}; there are {known}")
        return BAD_FILE
    try:
        status = _run_all(chosen, options)
    except KeyboardInterrupt:
        racks.say("interrupted; the same command goes on from here")
        status = 128 + signal.SIGINT
    record = results.read(options.results)
    options.page.write_text(page.render(everything, record), encoding="utf-8")
    if options.results == results.RESULTS:
        proof.PAGE.write_text(proof.render(mutants.read(), everything, record), encoding="utf-8")
    return status or _tell(chosen, record)


def _run_all(chosen: list[Specimen], options: argparse.Namespace) -> int:
    commit = results.commit_of_the_product()
    due = results.due(chosen, results.read(options.results), commit, options.repeat)
    racks.say(f"{len(due)} runs at {commit}, of {len(chosen)} machines, {options.jobs} at a time")
    vet = functools.partial(racks.run, commit=commit, jobs=options.jobs)
    with racks.Racks(options.jobs) as pool:
        return racks.run_each(pool, options.jobs, due, options.results, vet)


def _tell(chosen: list[Specimen], record: list[Result]) -> int:
    """The table on standard output, and whether all of it is as it should be."""
    newest = results.newest(record)
    told = [newest[one.name] for one in chosen if one.name in newest]
    for result in told:
        blamed = ", ".join(dict.fromkeys(f"{f['component']} in {f['stage']}" for f in result.blamed))
        print(f"{result.machine:32} {result.judged:15} {blamed}")
    print("  ".join(f"{judged}: {sum(r.judged is judged for r in told)}" for judged in Judged))
    return MET if all(result.judged is Judged.MET for result in told) else NOT_MET


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


if __name__ == "__main__":
    sys.exit(main())
