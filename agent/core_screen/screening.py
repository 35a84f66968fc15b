"""Has every core do the same work, one at a time and all at once, compares the answers, and repeats what was wrong."""

from __future__ import annotations

import itertools
import random
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from agent.core_screen import answers
from agent.core_screen.answers import Doubted, Key, Undecided, Wrong
from agent.core_screen.known_answers import SEEDS
from agent.core_screen.operations import Operation, usable
from agent.core_screen.worker import Order
from agent.core_screen.worker_pool import ANSWER_LIMIT_S, Crash, Reply, WorkerPool

COUNTER = "counter"
# A seed that is new in each run for every so many seconds, within these bounds.
_FRESH_EVERY_S, _FRESH_MIN, _FRESH_MAX = 2.5, 2, 64
_ADDS, _ADDS_OF_TWO = 5000, 2000
# What is repeated: so many wrong operations at most, each so often and so long, on so many other cores.
_MOST_REPEATED, _TIMES, _TIMES_S, _OTHERS = 6, 40, 1.5, 2
_CRASH_TRIES = 5
_PAIRS_EACH = 4
# What the time limit reckons with: all operations with one seed take 0.02 s on a slow server, and most of a second on
# an emulated processor; so does the start of a worker. An addition of a pair takes milliseconds.
_SEED_S, _START_S, _PAIR_S = 0.75, 0.5, 0.1


@dataclass(frozen=True)
class Screening:
    """What is ordered: the usable processors of each package, those of them that also work alone, how long all of them
    work alone and how long together, and the seed of the fresh seeds."""

    packages: Mapping[int, Sequence[int]]
    alone: Sequence[int]
    alone_s: float
    together_s: float
    seed: int


def _fresh(ordered: Screening) -> int:
    """How many seeds are new in this run."""
    return max(_FRESH_MIN, min(_FRESH_MAX, int(ordered.together_s / _FRESH_EVERY_S)))


def time_limit_s(ordered: Screening) -> float:
    """After how many seconds a screening is given up: what it takes on a slow host on which as much goes wrong as is
    ever repeated, and on which one worker hangs, alone and together."""
    cores = sum(map(len, ordered.packages.values()))
    round_s = _SEED_S * (len(SEEDS) + _fresh(ordered))
    alone_s = max(ordered.alone_s, len(ordered.alone) * round_s)
    repeats = _MOST_REPEATED * (1 + _OTHERS + _CRASH_TRIES + _OTHERS)
    counting_s = (_PAIRS_EACH + 1) * cores * _PAIR_S
    return (
        alone_s + ordered.together_s + round_s + cores * _START_S
        + repeats * (_TIMES_S + _SEED_S + _START_S) + counting_s + 2 * ANSWER_LIMIT_S
    )  # fmt: skip


@dataclass(frozen=True)
class Repeated:
    """A wrong operation, repeated from its seed by fresh workers: `again` of `tries` on its core were wrong, and
    `elsewhere` of `elsewhere_tries` on others."""

    wrong: Wrong
    when: str
    again: int
    tries: int
    elsewhere: int
    elsewhere_tries: int


@dataclass(frozen=True)
class RepeatedCrash:
    """A worker that crashed, repeated: `again` of `tries` fresh workers crashed on its core, `elsewhere` of
    `elsewhere_tries` on others."""

    crash: Crash
    again: int
    tries: int
    elsewhere: int
    elsewhere_tries: int


@dataclass
class Screened:
    """The result. `answered`: core → kind of load → number of answers; `operations`: operation → number of answers;
    `missing` and `untested` say why an operation or a core was not tested, `doubted` are operations of which all cores
    give the same wrong answer."""

    answered: dict[str, dict[str, int]] = field(default_factory=dict)
    operations: dict[str, int] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    untested: dict[str, str] = field(default_factory=dict)
    wrong: list[Repeated] = field(default_factory=list)
    undecided: list[Undecided] = field(default_factory=list)
    doubted: list[Doubted] = field(default_factory=list)
    crashes: list[RepeatedCrash] = field(default_factory=list)
    seconds: float = 0.0


class Screener:
    def __init__(self, ordered: Screening) -> None:
        self._ordered = ordered
        self._cores = [core for members in ordered.packages.values() for core in members]
        self._pool = WorkerPool(ordered.packages)
        self._seeds = [*SEEDS, *(random.Random(ordered.seed).sample(range(1000, 1 << 31), _fresh(ordered)))]
        self._told: dict[str, dict[int, dict[Key, Counter[str]]]] = {"alone": {}, "together": {}}
        self._crashes: list[Crash] = []
        self._result = Screened()
        self._usable: list[Operation] = []

    def screen(self) -> Screened:
        began = time.monotonic()
        try:
            self._usable, self._result.missing = usable()
            packages = self._ordered.packages
            self._pool.fill(packages, [random.Random(-1 - package).randbytes(8192) for package in packages])
            self._alone()
            self._together()
            self._compare()
            self._count_together()
            self._result.crashes = [self._repeat_crash(crash) for crash in self._crashes[:_MOST_REPEATED]]
        finally:
            self._pool.close()
        self._result.seconds = round(time.monotonic() - began, 1)
        return self._result

    def _alone(self) -> None:
        """Each core gets an equal share of the time, and one round of all operations at least."""
        each_s = self._ordered.alone_s / max(1, len(self._ordered.alone))
        for core in self._ordered.alone:
            self._take("alone", self._pool.ask([core], self._order(each_s)))

    def _together(self) -> None:
        self._take("together", self._pool.ask(self._cores, self._order(self._ordered.together_s)))

    def _order(self, seconds: float) -> Order:
        return Order([one.name for one in self._usable], self._seeds, seconds)

    def _take(self, when: str, told: Mapping[int, Reply]) -> None:
        for core, one in told.items():
            answered = self._result.answered.setdefault(str(core), {})
            answered.setdefault(when, 0)
            if one.crash:
                self._crashes.append(one.crash)
            if one.trouble or one.crash:
                died = f"its worker died of {one.crash.signal}" if one.crash else ""
                self._result.untested.setdefault(str(core), one.trouble or died)
                continue
            found = self._told[when].setdefault(core, {})
            for name, seed, text, times in one.answer["answers"]:
                found.setdefault((name, seed), Counter())[text] += times
                answered[when] += times
                self._result.operations[name] = self._result.operations.get(name, 0) + times

    def _compare(self) -> None:
        """The truth is found from the answers of all kinds of load together."""
        joined: dict[int, dict[Key, Counter[str]]] = {}
        for told in self._told.values():
            for core, texts in told.items():
                for key, counted in texts.items():
                    joined.setdefault(core, {}).setdefault(key, Counter()).update(counted)
        wrong, self._result.undecided = answers.compare(joined)
        self._result.doubted = answers.doubted(joined)
        blamed = {one.core for one in wrong}
        self._result.wrong = [
            self._repeat(one, blamed) if number < _MOST_REPEATED else Repeated(one, self._when(one), 0, 0, 0, 0)
            for number, one in enumerate(wrong)
        ]

    def _when(self, wrong: Wrong) -> str:
        """Under which loads the answer came."""
        key = (wrong.operation, wrong.seed)
        seen = [when for when, told in self._told.items() if wrong.found in told.get(wrong.core, {}).get(key, ())]
        return " and ".join(seen)

    def _repeat(self, wrong: Wrong, blamed: set[int]) -> Repeated:
        again, tries = self._wrong_again(wrong.core, wrong)
        rest = [self._wrong_again(core, wrong) for core in self._others(blamed)]
        elsewhere, elsewhere_tries = (sum(column) for column in zip((0, 0), *rest, strict=True))
        return Repeated(wrong, self._when(wrong), again, tries, elsewhere, elsewhere_tries)

    def _wrong_again(self, core: int, wrong: Wrong) -> tuple[int, int]:
        """How many answers of a fresh worker on `core` are wrong, and of how many."""
        self._pool.end(core)
        order = Order([wrong.operation], [wrong.seed], _TIMES_S, most=_TIMES)
        told = self._pool.ask([core], order)[core].answer.get("answers", ())
        bad = [times for _, _, text, times in told if answers.is_wrong(text, wrong.expected)]
        return sum(bad), sum(times for _, _, _, times in told)

    def _others(self, blamed: Iterable[int]) -> list[int]:
        known = set(blamed) | set(map(int, self._result.untested))
        return [core for core in self._cores if core not in known][:_OTHERS]

    def _repeat_crash(self, crash: Crash) -> RepeatedCrash:
        """Whether fresh workers crash, too, in the operation of this crash, or in all if that is not known."""
        names = [one.name for one in self._usable if one.name == crash.operation] or [one.name for one in self._usable]
        seeds = [crash.seed] if crash.seed in self._seeds else self._seeds
        order = Order(names, seeds, _TIMES_S, most=_TIMES)
        others = self._others({one.core for one in self._crashes})
        here = [self._crashes_again(crash.core, order) for _ in range(_CRASH_TRIES)]
        there = [self._crashes_again(core, order) for core in others]
        return RepeatedCrash(crash, sum(here), len(here), sum(there), len(there))

    def _crashes_again(self, core: int, order: Order) -> bool:
        self._pool.end(core)
        return self._pool.ask([core], order)[core].crash is not None

    def _count_together(self) -> None:
        """All cores add to one counter. If the sum is wrong, pairs of cores show whose additions get lost."""
        if "large_numbers" in self._result.missing:
            return
        cores = [core for core in self._cores if str(core) not in self._result.untested]
        lost, untold = self._adds(cores, _ADDS)
        if untold or not cores:
            self._result.missing[COUNTER] = untold or "no core is left that could add"
            return
        self._result.operations[COUNTER] = _ADDS * len(cores)
        if lost:
            self._blame_for_counting(cores, lost)

    def _adds(self, cores: Sequence[int], times: int) -> tuple[str, str]:
        """What is wrong with the sum, and why there is none."""
        told, sum_ = self._pool.add(cores, times)
        silent = [core for core, one in told.items() if "rising" not in one.answer]
        if silent:
            return "", f"core {silent[0]}: {told[silent[0]].trouble or 'its worker died'}"
        if sum_ != times * len(cores):
            return f"{sum_} instead of {times * len(cores)}", ""
        falling = [core for core, one in told.items() if not one.answer["rising"]]
        return (f"a value came back twice on core {falling[0]}" if falling else ""), ""

    def _blame_for_counting(self, cores: Sequence[int], lost: str) -> None:
        pairs = list(itertools.islice(itertools.combinations(cores, 2), 0, _PAIRS_EACH * len(cores)))
        bad = {pair: said for pair in pairs if (said := self._adds(pair, _ADDS_OF_TWO)[0])}
        alone = [core for core in cores if self._adds([core], _ADDS_OF_TWO)[0]]
        common = set.intersection(*map(set, bad)) if bad else set()
        odd = alone or (sorted(common) if len(common) == 1 else [])
        if not odd:
            self._result.undecided.append(Undecided(list(cores), COUNTER, 0, [lost]))
        for core in odd:
            tries = sum(core in pair for pair in pairs)
            wrong = Wrong(core, COUNTER, 0, f"{_ADDS} from each core", lost, 1, 1)
            self._result.wrong.append(Repeated(wrong, "together", len(bad), tries, 0, len(pairs) - tries))
