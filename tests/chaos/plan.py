"""Which fault happens when, to whom, for how long: a pure function of the seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """`KILL` and `FREEZE` are SIGKILL and SIGSTOP of one process; `CRASH` kills all of the orchestrator at once.
    `RESET` is a host that boots anew by itself. The proxy between agents and web makes the five of the network."""

    KILL = "kill"
    FREEZE = "freeze"
    CRASH = "crash"
    LOCK = "lock the database"
    FULL = "fill the disk"
    CLOCK = "move the clock"
    RESET = "reset the host"
    CUT = "cut the network"
    SLOW = "slow the network"
    LOSE = "lose answers"
    TWICE = "send twice"
    LATE = "send again later"
    HANG_UP = "drop the database's connections"


OURS = ("web", "worker", "cluster", "job 0", "job 1", "job 2", "job 3", "job 4")
NET = (Fault.CUT, Fault.SLOW, Fault.LOSE, Fault.TWICE, Fault.LATE)
# How often each is drawn, and for how many seconds it lasts at most where faults are bounded.
DRAWN: dict[Fault, tuple[int, float]] = {
    Fault.KILL: (8, 0),
    Fault.FREEZE: (5, 4),
    Fault.CRASH: (2, 0),
    Fault.LOCK: (4, 6),
    Fault.FULL: (3, 4),
    Fault.CLOCK: (2, 4),
    Fault.RESET: (1, 0),
    Fault.CUT: (3, 5),
    Fault.SLOW: (2, 5),
    Fault.LOSE: (3, 4),
    Fault.TWICE: (3, 4),
    Fault.LATE: (3, 4),
    Fault.HANG_UP: (1, 0),
}
MEAN_PAUSE_S = 0.7
UNBOUNDED_LONGER = 20


@dataclass(frozen=True)
class Step:
    """`target` is a process or a machine; `lasts_s` 0 for what is over at once; `hours` how far a clock is moved."""

    at_s: float
    fault: Fault
    target: str = ""
    lasts_s: float = 0
    hours: float = 0

    def __str__(self) -> str:
        more = [self.target, f"for {self.lasts_s:.1f} s" if self.lasts_s else ""]
        more.append(f"by {self.hours:+.1f} h" if self.hours else "")
        return f"{self.at_s:6.2f} s  " + " ".join(word for word in (self.fault, *more) if word)


def steps(seed: int, seconds: float, machines: int, *, bounded: bool) -> list[Step]:
    """In order of time. The first runs begin at 0; nothing happens in the first half second."""
    dice = random.Random(f"{seed} {seconds} {machines} {bounded}")
    made: list[Step] = []
    at_s = dice.uniform(0.5, 2)
    while at_s < seconds:
        made.append(_step(dice, round(at_s, 2), machines, bounded))
        at_s += dice.expovariate(1 / MEAN_PAUSE_S)
    return made


def _step(dice: random.Random, at_s: float, machines: int, bounded: bool) -> Step:
    fault = dice.choices(list(DRAWN), [weight for weight, _ in DRAWN.values()])[0]
    most_s = DRAWN[fault][1] * (1 if bounded else UNBOUNDED_LONGER)
    lasts_s = round(dice.uniform(0.3, most_s), 2) if most_s else 0.0
    targets = [f"machine {number}" for number in range(1, machines + 1)]
    if fault in (Fault.KILL, Fault.FREEZE):
        return Step(at_s, fault, dice.choice([*OURS, *targets]), lasts_s)
    if fault is Fault.RESET:
        return Step(at_s, fault, dice.choice(targets))
    hours = round(dice.uniform(-6, 6), 1) if fault is Fault.CLOCK else 0.0
    return Step(at_s, fault, "", lasts_s, hours)
