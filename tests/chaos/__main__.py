"""`python -m tests.chaos`: campaigns of faults, a seed each. The same seed is the same plan; `--plan` shows it.

What is broken is told with the seed and the events, and the data directory is kept. Exit status 1 then; 2 where nothing
is, but a campaign was not at its end in time, on a machine that others kept busy.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.chaos.plan import steps

MACHINES = 4
FINE, BROKEN, STARVED = 0, 1, 2


def main() -> int:
    chosen = _arguments()
    if chosen.plan:
        for step in steps(chosen.first, chosen.seconds, chosen.machines, bounded=not chosen.unbounded):
            print(step)
        return 0
    if chosen.one:
        return _one(chosen)
    return _all(chosen)


def _all(chosen: argparse.Namespace) -> int:
    """Each seed in a process of its own, some at once."""
    from tests.chaos import databases

    folder, seeds = Path(tempfile.mkdtemp(prefix="vetting-chaos-")), range(chosen.first, chosen.first + chosen.seeds)
    with databases.source(chosen.database, folder / "template") as source, ThreadPoolExecutor(chosen.jobs) as lanes:
        said = list(lanes.map(lambda seed: _campaign(chosen, seed, folder / f"seed-{seed}", source), seeds))
    modes = "unbounded" if chosen.unbounded else "bounded"
    came_out = f"{said.count(BROKEN)} broken, {said.count(STARVED)} starved"
    print(f"{chosen.seeds} campaigns of {chosen.seconds:g} s, {modes} faults, {chosen.database}: {came_out}")
    shutil.rmtree(folder / "template")
    if not any(folder.iterdir()):
        folder.rmdir()
    return BROKEN if BROKEN in said else max(said)


_one_copies = threading.Lock()


def _campaign(chosen: argparse.Namespace, seed: int, own: Path, source: object) -> int:
    from tests.chaos.campaign import small_disk

    with small_disk(own):
        with _one_copies:
            address = source.fresh(own / "data", seed)  # type: ignore[attr-defined]
        words = ["--one", "--first", str(seed), "--seconds", str(chosen.seconds), "--machines", str(chosen.machines)]
        more = ["--unbounded"] if chosen.unbounded else []
        command = [sys.executable, "-m", "tests.chaos", *words, *more, "--folder", str(own), "--address", address]
        status = subprocess.run(command, check=False).returncode
    if status or chosen.keep:
        print(f"seed {seed}: the data directory is kept: {own}", flush=True)
        return status if status in (FINE, STARVED) else BROKEN
    shutil.rmtree(own)
    return FINE


def _one(chosen: argparse.Namespace) -> int:
    from tests.chaos.campaign import Campaign, Wanted

    wanted = Wanted(
        chosen.first, chosen.seconds, chosen.machines, not chosen.unbounded, Path(chosen.folder), chosen.address
    )
    told = Campaign(wanted).run()
    ended, wrong = ", ".join(told.runs), [*told.violations, *told.late]
    spans = f"{told.took_s:.0f} s ({told.started_s:.0f} to start, {told.settled_s:.0f} behind the last fault)"
    shared = f"{told.shared_by:.1f} for each core"
    word = "STARVED" if told.is_starved else "BROKEN"
    lines = [f"seed {chosen.first}: {len(told.events)} faults, {spans}, {shared}, runs {ended}"]
    lines += [f"  {word} {one}" for one in wrong]
    lines += [f"  {event}" for event in told.events] if wrong else []
    print("\n".join(lines), flush=True)
    return FINE if not wrong else STARVED if told.is_starved else BROKEN


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1, help="how many campaigns")
    parser.add_argument("--first", type=int, default=1, metavar="SEED", help="the first one's seed")
    parser.add_argument("--seconds", type=float, default=10, help="how long faults happen in each")
    parser.add_argument("--jobs", type=int, default=1, help="how many campaigns at once")
    parser.add_argument("--keep", action="store_true", help="keep all data directories")
    parser.add_argument("--machines", type=int, default=MACHINES)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--unbounded", action="store_true", help="faults without an end: only safety counts")
    parser.add_argument("--plan", action="store_true", help="print the faults of the first seed, and do nothing")
    for internal in ("--folder", "--address"):
        parser.add_argument(internal, default="", help=argparse.SUPPRESS)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
