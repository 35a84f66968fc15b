"""`python -m tests.bench NAME`: run one benchmark and print its figures."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from tests.bench import (
    agent_cost,
    agents,
    boot,
    compact,
    idle,
    imports,
    ingest,
    kernel_to_claim,
    one_round,
    overhead,
    pages,
    report,
    results,
    rows,
    streams,
    suite,
)
from tests.bench.ironic import main as beside_ironic
from tests.rack.zoo.specimen import MACHINES

BENCHMARKS: dict[str, Callable[[argparse.Namespace], None]] = {
    "agent": lambda options: agent_cost.main(options.seconds, options.json),
    "agents": agents.main,
    "boot": lambda options: boot.main(options.rounds, as_json=options.json),
    "compact": lambda options: compact.main(),
    "idle": lambda options: idle.main(options.seconds),
    "imports": lambda options: imports.main(options.imported),
    "ingest": lambda options: ingest.main(),
    "ironic": beside_ironic,
    "kernel_to_claim": lambda options: kernel_to_claim.main(
        options.image, options.rounds, options.icount, options.json
    ),
    "overhead": lambda options: overhead.main(options.machine),
    "pages": lambda options: pages.main(options.hosts, options.measurements, options.runs, as_json=options.json),
    "report": lambda options: report.main(options.rows, options.findings),
    "results": lambda options: results.main(),
    "full": lambda options: _suite(options),
    "round": lambda options: one_round.main(as_json=options.json),
    "rows": lambda options: rows.main(as_json=options.json),
    "short": lambda options: _suite(options),
    "streams": lambda options: streams.main(
        options.streams, options.events, options.every, options.pages, options.server, options.json
    ),
}


def _suite(options: argparse.Namespace) -> None:
    suite.main(options.name, options.rounds, as_json=options.json, page=options.page)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("name", choices=BENCHMARKS, nargs="?", default="agents")
    parser.add_argument("--agents", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--hosts", type=int, nargs="+", default=[5, 50, 500])
    parser.add_argument("--runs", type=int, help="pages: of all hosts together, else ten of each")
    parser.add_argument("--imported", type=int, default=15_000, help="hosts of an import")
    parser.add_argument("--measurements", type=int, default=pages.MEASUREMENTS)
    parser.add_argument("--rows", type=int, default=report.MEASUREMENTS, help="measurements of one run")
    parser.add_argument("--findings", type=int, default=report.FINDINGS, help="findings of one run")
    parser.add_argument("--machine", type=Path, default=MACHINES / "healthy-uefi.yaml", metavar="FILE")
    parser.add_argument("--streams", type=int, default=100)
    parser.add_argument("--events", type=int, default=40)
    parser.add_argument("--every", type=float, default=5, metavar="SECONDS")
    parser.add_argument(
        "--rounds", type=int, default=3, help="short, full, boot, ironic, kernel_to_claim: so often, in turn"
    )
    parser.add_argument("--page", action="store_true", help="short, full: write the figures into docs/benchmarks.md")
    parser.add_argument("--pages", type=int, default=3, help="streams: so many of them are pages in Chromium")
    parser.add_argument("--json", action="store_true", help="the last line of output is one JSON object")
    parser.add_argument("--server", choices=agents.SERVERS, default="daphne")
    parser.add_argument("--database", default="", metavar="URL", help="instead of a new SQLite file")
    parser.add_argument("--find", action="store_true", help="agents: search the number at which p99 passes 250 ms")
    parser.add_argument("--overload", action="store_true", help="agents: ten times as much for ten seconds")
    parser.add_argument("--install", action="store_true", help="ironic: install it if it is not in var/bench/ironic")
    image = kernel_to_claim.ROOT / "var/image"
    parser.add_argument("--image", type=Path, default=image, metavar="DIR", help="kernel_to_claim: the live image")
    parser.add_argument("--icount", action="store_true", help="kernel_to_claim: count instructions instead of time")
    return parser


def main() -> None:
    options = parser().parse_args()
    BENCHMARKS[options.name](options)


if __name__ == "__main__":
    main()
