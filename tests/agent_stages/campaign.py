"""Many worlds of the safety decision and histories of verified writes, by seed: `make worlds WORLDS=1000000`."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from random import Random

from tests.agent_stages.histories import play
from tests.agent_stages.safetyworlds import a_world, check

# One world in so many is a history: it costs as much as thirty decisions.
HISTORY_EVERY = 20
TOLD_MOST = 20


def main(argv: Sequence[str] | None = None) -> int:
    """World n is drawn from seed n alone, so that each can be looked at by itself. 1 when anything was violated."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0, help="of the first world")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="end early after this time")
    given = parser.parse_args(argv)
    until, happened, histories, violations, done = time.monotonic() + given.seconds, Counter[str](), 0, 0, 0
    for seed in range(given.seed, given.seed + given.worlds):
        if time.monotonic() > until:
            break
        history = seed % HISTORY_EVERY == 0
        histories, done = histories + history, done + 1
        try:
            happened.update(_one(seed, history))
        except AssertionError as error:
            violations += 1
            if violations <= TOLD_MOST:
                print(f"world {seed}: {type(error).__name__}: {error}")
    for word, times in sorted(happened.items()):
        print(f"  {times:9} {word}")
    print(f"{done} of {given.worlds} worlds, {histories} of them histories of writes, {violations} violations")
    return 1 if violations else 0


def _one(seed: int, history: bool) -> set[str]:
    rng = Random(seed)
    return {f"history: {word}" for word in play(rng)} if history else check(a_world(rng))


if __name__ == "__main__":
    sys.exit(main())
