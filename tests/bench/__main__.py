"""`python -m tests.bench NAME`: run one benchmark and print its figures."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from tests.bench import agents, imports, overhead, pages, report, results, rows, streams
from tests.rack.zoo.specimen import MACHINES

BENCHMARKS: dict[str, Callable[[argparse.Namespace], None]] = {
    "agents": lambda options: agents.main(options.agents, options.seconds),
    "imports": lambda options: imports.main(options.imported),
    "overhead": lambda options: overhead.main(options.machine),
    "pages": lambda options: pages.main(options.hosts, options.measurements),
    "report": lambda options: report.main(options.rows, options.findings),
    "results": lambda options: results.main(),
    "rows": lambda options: rows.main(),
    "streams": lambda options: streams.main(options.streams, options.events, options.every),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("name", choices=BENCHMARKS, nargs="?", default="agents")
    parser.add_argument("--agents", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--hosts", type=int, nargs="+", default=[5, 50, 500])
    parser.add_argument("--imported", type=int, default=15_000, help="hosts of an import")
    parser.add_argument("--measurements", type=int, default=pages.MEASUREMENTS)
    parser.add_argument("--rows", type=int, default=report.MEASUREMENTS, help="measurements of one run")
    parser.add_argument("--findings", type=int, default=report.FINDINGS, help="findings of one run")
    parser.add_argument("--machine", type=Path, default=MACHINES / "healthy-uefi.yaml", metavar="FILE")
    parser.add_argument("--streams", type=int, default=100)
    parser.add_argument("--events", type=int, default=40)
    parser.add_argument("--every", type=float, default=5, metavar="SECONDS")
    options = parser.parse_args()
    BENCHMARKS[options.name](options)


if __name__ == "__main__":
    main()
