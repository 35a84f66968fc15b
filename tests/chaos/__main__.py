"""`python -m tests.chaos`: campaigns of faults, a seed each. The same seed is the same plan; `--plan` shows it.

What is broken is told with the seed and the events, and the data directory is kept. Exit status 1 then.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.chaos.plan import steps

MACHINES = 4


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
    """Each seed in a process of its own."""
    from tests.chaos import databases

    folder = Path(tempfile.mkdtemp(prefix="vetting-chaos-"))
    broken = 0
    with databases.source(chosen.database, folder / "template") as source:
        for seed in range(chosen.first, chosen.first + chosen.seeds):
            own = folder / f"seed-{seed}"
            broken += _campaign(chosen, seed, own, source)
    modes = "unbounded" if chosen.unbounded else "bounded"
    print(f"{chosen.seeds} campaigns of {chosen.seconds:g} s, {modes} faults, {chosen.database}: {broken} broken")
    if not broken:
        shutil.rmtree(folder)
    return 1 if broken else 0


def _campaign(chosen: argparse.Namespace, seed: int, own: Path, source: object) -> int:
    from tests.chaos.campaign import small_disk

    with small_disk(own):
        address = source.fresh(own / "data", seed)  # type: ignore[attr-defined]
        words = ["--one", "--first", str(seed), "--seconds", str(chosen.seconds), "--machines", str(chosen.machines)]
        more = ["--unbounded"] if chosen.unbounded else []
        command = [sys.executable, "-m", "tests.chaos", *words, *more, "--folder", str(own), "--address", address]
        status = subprocess.run(command, check=False).returncode
    if status:
        print(f"seed {seed}: the data directory is kept: {own}", flush=True)
        return 1
    shutil.rmtree(own)
    return 0


def _one(chosen: argparse.Namespace) -> int:
    from tests.chaos.campaign import Campaign, Wanted

    wanted = Wanted(
        chosen.first, chosen.seconds, chosen.machines, not chosen.unbounded, Path(chosen.folder), chosen.address
    )
    told = Campaign(wanted).run()
    ended = ", ".join(told.runs)
    print(f"seed {chosen.first}: {len(told.events)} faults, {told.took_s:.0f} s, runs {ended}", flush=True)
    if not told.violations:
        return 0
    print("\n".join([*(f"  BROKEN {one}" for one in told.violations), *(f"  {event}" for event in told.events)]))
    return 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1, help="how many campaigns")
    parser.add_argument("--first", type=int, default=1, metavar="SEED", help="the first one's seed")
    parser.add_argument("--seconds", type=float, default=15, help="how long faults happen in each")
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
