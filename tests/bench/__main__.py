"""`python -m tests.bench NAME`: run one benchmark and print its figures."""

from __future__ import annotations

import argparse

from tests.bench import agents

BENCHMARKS = {"agents": agents.main}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("name", choices=BENCHMARKS, nargs="?", default="agents")
    parser.add_argument("--agents", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=120)
    options = parser.parse_args()
    BENCHMARKS[options.name](options.agents, options.seconds)


if __name__ == "__main__":
    main()
