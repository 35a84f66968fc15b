"""How long the operator's pages take, with few hosts and many, over a table of ten million measurements.

Each figure is the median and the worst of some requests to a real web process on loopback, from the request to the
answer's first byte; SQL queries are counted in this process by Django's test client.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MEASUREMENTS = 10_000_000
SOAK_HOURS = 40
REQUESTS = 15
ENOUGH_S = 20
# Of every so many hosts: three are vetted, one is held, the others are done.
_MIX = 50


def main(hosts: list[int], measurements: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = _prepare(Path(folder))
        from tests.runs.webprocess import WebProcess

        run = _soak(measurements)
        for count in hosts:
            _fill(count)
            web = WebProcess(Path(folder), database)
            web.start()
            try:
                for name, path in _pages(run).items():
                    print(_line(web, count, name, path))
            finally:
                web.stop()


def _prepare(folder: Path) -> str:
    database = f"sqlite:///{folder / 'vetting.sqlite3'}"
    os.environ |= {
        "VETTING_DATA_DIR": str(folder),
        "DATABASE_URL": database,
        "VETTING_SECRET_KEY": "k" * 40,
        "VETTING_TESTING": "1",
        "VETTING_LOG_LEVEL": "WARNING",
        "DJANGO_SETTINGS_MODULE": "vetting.settings",
    }
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    from tests import factories

    user: Any = factories.UserFactory()
    user.set_password("a-pass-for-figures")
    user.save()
    return database


def _soak(measurements: int) -> Any:
    """A run of forty hours whose sensors, thirty every two seconds, left a fifth of all measurements."""
    from tests import factories

    run = factories.started(factories.State.BURN, minutes=SOAK_HOURS * 60)
    factories.pass_stages(run, factories.State.BURN)
    factories.be_in(run, factories.State.BURN)
    other = factories.passed()
    _insert(run.pk, measurements // 5)
    _insert(other.pk, measurements - measurements // 5)
    return run


def _insert(run_id: int, count: int) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < %s - 1)
            INSERT INTO runs_measurement (run_id, at, component_kind, component, name, value, unit)
            SELECT %s, strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', '-' || ((%s - i) * %s / %s) || ' seconds'),
                   CASE WHEN i %% 30 < 20 THEN 'cpu' ELSE 'fan' END, 'PART' || (i %% 30),
                   CASE WHEN i %% 30 < 20 THEN 'temp' ELSE 'fan' END, 40 + i %% 37,
                   CASE WHEN i %% 30 < 20 THEN 'C' ELSE 'rpm' END
            FROM n
            """,
            [count, run_id, count, SOAK_HOURS * 3600, count],
        )


def _fill(hosts: int) -> None:
    """Up to so many hosts."""
    from hosts.models import Host
    from tests import factories

    for number in range(Host.objects.count(), hosts):
        place = number % _MIX
        scene = factories.held if place == 3 else factories.in_storage if place < 3 else factories.passed
        scene()


def _pages(run: Any) -> dict[str, str]:
    from runs.models import Measurement

    now, last_id = int(time.time()), Measurement.objects.latest("id").pk
    return {
        "dashboard": "/",
        "dashboard, live update": "/parts/?part=grid",
        "run page of a soak": run.get_absolute_url(),
        "charts of 40 h": f"{run.get_absolute_url()}series.json",
        "charts, what came since": f"{run.get_absolute_url()}series.json?since={now - 10}&last_id={last_id}",
        "charts of the last 15 min": f"{run.get_absolute_url()}series.json?window=900",
        "host page": run.host.get_absolute_url(),
    }


def _line(web: Any, hosts: int, name: str, path: str) -> str:
    client = web.log_in("operator", "a-pass-for-figures")
    client.timeout = 300
    times = sorted(_first_bytes(client, path))
    queries = _queries(path)
    return f"| {hosts} | {name} | {queries} | {statistics.median(times):.0f} ms | {times[-1]:.0f} ms |"


def _first_bytes(client: Any, path: str) -> Iterator[float]:
    client.get(path)
    end = time.monotonic() + ENOUGH_S
    for number in range(REQUESTS):
        begun = time.perf_counter()
        with client.stream("GET", path) as answer:
            assert answer.status_code == 200, (path, answer.status_code)
            yield (time.perf_counter() - begun) * 1000
        if time.monotonic() > end and number >= 2:
            return


def _queries(path: str) -> int:
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from tests import factories

    client = Client()
    client.force_login(factories.UserFactory(), backend="django.contrib.auth.backends.ModelBackend")
    with CaptureQueriesContext(
        connection,
    ) as caught:
        client.get(path)
    return len(caught)
