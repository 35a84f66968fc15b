"""`python -m tests.statements`: every fault at every statement of every call, action and tick. Prints how many there
were; the exit status is 1 where something was lost or doubled."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from contextlib import AbstractContextManager, nullcontext
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from tests.runs import postgresql


def main(only: str, sample: bool, power: bool, database: str) -> int:
    folder = Path(tempfile.mkdtemp(prefix="vetting-statements-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
    try:
        with _database(folder, database) as address:
            _set_up(folder, address)
            return _power_goes(folder, only) if power else _sweep_all(folder, only, not sample)
    finally:
        shutil.rmtree(folder)


def _database(folder: Path, kind: str) -> AbstractContextManager[str]:
    if kind == "sqlite":
        return nullcontext(f"sqlite:///{folder / 'vetting.sqlite3'}")
    if (programs := postgresql.binaries()) is None:
        raise SystemExit("no PostgreSQL server here: apt-get install postgresql")
    return postgresql.server(programs)


def _set_up(folder: Path, address: str) -> None:
    """Django over an empty database of its own; that is each scenario's beginning."""
    os.environ |= {
        "VETTING_DATA_DIR": str(folder),
        "VETTING_TESTING": "1",
        "VETTING_SECRET_KEY": "k" * 40,
        "DATABASE_URL": address,
        "DJANGO_SETTINGS_MODULE": "vetting.settings",
    }
    import django
    from django.apps import apps
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection
    from django.db.migrations.recorder import MigrationRecorder
    from django.test.utils import setup_test_environment

    django.setup()
    setup_test_environment()  # a form that is filled in is read from the page's context
    settings.MIGRATION_MODULES = {app.label: None for app in apps.get_app_configs()}
    call_command("migrate", run_syncdb=True, verbosity=0)
    MigrationRecorder(connection).ensure_schema()


def _sweep_all(folder: Path, only: str, whole: bool) -> int:
    from tests.statements import snapshots
    from tests.statements.calm import calm
    from tests.statements.scenarios import SCENARIOS
    from tests.statements.sweep import sweep

    positions = faults = broken = 0
    nothing = snapshots.take()
    for scenario in (one for one in SCENARIOS if fnmatch(one.name, only)):
        _empty(folder, nothing)
        began = time.process_time()
        with calm():
            outcome = sweep(scenario, whole=whole)
        positions, faults, broken = (
            positions + outcome.positions,
            faults + outcome.faults,
            broken + len(outcome.broken),
        )
        cpu_s = time.process_time() - began
        print(f"{scenario.name}: {outcome.positions} positions, {outcome.faults} faults, {cpu_s:.1f} s", flush=True)
        for told in outcome.broken:
            print(f"BROKEN {told}", flush=True)
    print(f"{positions} positions, {faults} faults, {broken} broken", flush=True)
    return 1 if broken else 0


def _power_goes(folder: Path, only: str) -> int:
    from tests.statements import snapshots
    from tests.statements.calm import calm
    from tests.statements.power import power_goes
    from tests.statements.scenarios import SCENARIOS

    (folder / "power").mkdir()
    writes = syncs = openings = broken = 0
    nothing = snapshots.take()
    for scenario in (one for one in SCENARIOS if fnmatch(one.name, only)):
        _empty(folder, nothing)
        with calm():
            outcome = power_goes(scenario, folder / "power")
        writes, syncs = writes + outcome.writes, syncs + outcome.syncs
        openings, broken = openings + outcome.openings, broken + len(outcome.broken)
        print(
            f"{scenario.name}: {outcome.writes} writes, {outcome.syncs} syncs, {outcome.openings} openings", flush=True
        )
        print("".join(f"BROKEN {told}\n" for told in outcome.broken), end="", flush=True)
    print(f"{writes} writes, {syncs} syncs, {openings} openings, {broken} broken", flush=True)
    return 1 if broken else 0


def _empty(folder: Path, nothing: Any) -> None:
    nothing.restore()
    for name in ("runs", "pxe"):
        shutil.rmtree(folder / name, ignore_errors=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.statements", description=__doc__)
    parser.add_argument("--only", default="*", metavar="GLOB", help="the scenarios with such a name")
    parser.add_argument("--sample", action="store_true", help="one fault a position, in turn, as the suite does")
    parser.add_argument("--power", action="store_true", help="torn writes, lost syncs and EIO below SQLite instead")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    chosen = parser.parse_args()
    if chosen.power and chosen.database != "sqlite":
        parser.error("what happens below PostgreSQL is PostgreSQL's own: --power is for SQLite")
    sys.exit(main(chosen.only, chosen.sample, chosen.power, chosen.database))
