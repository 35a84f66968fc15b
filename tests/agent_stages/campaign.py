"""Many worlds of the safety decision and histories of verified writes, by seed: `make worlds WORLDS=1000000`.

World n is drawn from seed n alone: one that went wrong is drawn again by `--worlds 1 --seed n`."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from tests.agent_stages.histories import play
from tests.agent_stages.safetyworlds import a_world, check

# One world in so many is a history: it costs as much as ten decisions.
HISTORY_EVERY = 20
TOLD_MOST = 20
PROGRESS_S = 10.0


@dataclass
class Tally:
    done: int = 0
    histories: int = 0
    violations: int = 0
    happened: Counter[str] = field(default_factory=Counter)

    def one(self, seed: int) -> None:
        history, rng = seed % HISTORY_EVERY == 0, Random(seed)
        self.done, self.histories = self.done + 1, self.histories + history
        try:
            self.happened.update({f"history: {word}" for word in play(rng)} if history else check(a_world(rng)))
        except AssertionError as error:
            self.violations += 1
            if self.violations <= TOLD_MOST:
                print(f"world {seed}: {type(error).__name__}: {error}", flush=True)

    def told(self, of: int) -> str:
        rows = [f"  {times:9} {word}" for word, times in sorted(self.happened.items())]
        whole = f"{self.done} of {of} worlds, {self.histories} of them histories of writes"
        return "\n".join([*rows, f"{whole}, {self.violations} violations"])


def main(argv: Sequence[str] | None = None) -> int:
    """1 when anything was violated. Ended early, by --seconds or Ctrl-C, it says how far it came."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0, help="of the first world")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="end early after this time")
    given, tally = parser.parse_args(argv), Tally()
    try:
        _run(tally, range(given.seed, given.seed + given.worlds), given.seconds)
    except KeyboardInterrupt:
        print("ended by hand")
    print(tally.told(given.worlds))
    return 1 if tally.violations else 0


def _run(tally: Tally, seeds: range, seconds: float) -> None:
    began = told = time.monotonic()
    for seed in seeds:
        now = time.monotonic()
        if now - began > seconds:
            return
        if now - told > PROGRESS_S:
            told = now
            print(f"{tally.done} of {len(seeds)} worlds, {tally.violations} violations", file=sys.stderr, flush=True)
        tally.one(seed)


if __name__ == "__main__":
    sys.exit(main())
