"""What each tick of the worker's round takes while nothing happens: CPU time and statements, on an empty SQLite
database, with DHCP and iperf3 off. The web process is not asked, and the machine counts as fit: a shortage of CPU would
be recorded every second."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

# A process is read often while it is young (pxe/daemon.py).
SETTLES_S = 6.0


def main(calls: int = 20, *, as_json: bool = False) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _set_up(Path(folder))
        figures = dict(_figures(calls))
    for name, (cpu_ms, statements) in figures.items():
        print(f"{cpu_ms:6.2f} ms {statements:5.1f} statements  {name}")
    total_ms, statements = (round(sum(one[part] for one in figures.values()), 2) for part in (0, 1))
    print(f"{total_ms:6.2f} ms {statements:5.1f} statements  together")
    if as_json:
        print(json.dumps({"cpu_ms": total_ms, "statements": statements, "processes": _processes()}))


def _set_up(folder: Path) -> None:
    (folder / "vetting.yaml").write_text("pxe: {mode: 'off'}\niperf3: {supervise: 'off'}\n")
    os.environ |= {
        "VETTING_DATA_DIR": str(folder),
        "VETTING_CONFIG": str(folder / "vetting.yaml"),
        "DATABASE_URL": f"sqlite:///{folder}/vetting.sqlite3",
        "VETTING_SECRET_KEY": "k" * 40,
        "VETTING_LOG_LEVEL": "ERROR",
        "DJANGO_SETTINGS_MODULE": "vetting.settings",
    }
    import django
    from django.apps import apps
    from django.conf import settings
    from django.core.management import call_command

    django.setup()
    settings.MIGRATION_MODULES = {app.label: None for app in apps.get_app_configs()}
    call_command("migrate", run_syncdb=True, verbosity=0)


def _figures(calls: int) -> Iterator[tuple[str, tuple[float, float]]]:
    """Each call's name, and the median of its CPU time in ms with its statements."""
    from pxe.link import ownport
    from runs import outages
    from runs.bench import load, process
    from runs.models import Job
    from vetting import leadership, rounds

    me = process.mine()
    leadership.take_round(me)
    leadership.take_lead(me)
    ticks = {rounds.name_of(tick): tick for tick in rounds.ticks_of(leads=True)}
    with ExitStack() as stack:
        stack.enter_context(patch.object(outages, "web_answers", lambda: True))
        stack.enter_context(patch.object(ownport, "LOOK_EVERY_S", 0.0))
        stack.enter_context(patch.object(load, "shortage", lambda samples, limits: None))
        for tick in ticks.values():
            tick()
        Job.objects.all().delete()  # the janitor's first sweep
        time.sleep(SETTLES_S)
        for name, call in (ticks | {"paused": rounds._paused, "renew": lambda: leadership.renew(me)}).items():
            yield name, _measured(call, calls)


def _measured(call: Callable[[], object], calls: int) -> tuple[float, float]:
    from django.db import connection

    asked: list[str] = []

    def count(execute: Any, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        asked.append(sql)
        return execute(sql, params, many, context)

    call()
    took_s = []
    with connection.execute_wrapper(count):
        for _ in range(calls):
            began_s = time.process_time()
            call()
            took_s.append(time.process_time() - began_s)
    return round(1000 * median(took_s), 2), len(asked) / calls


def _processes() -> int:
    return sum(name.isdigit() for name in os.listdir("/proc"))
