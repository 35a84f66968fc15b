"""How long the operator's pages, the commands and the worker's ticks take, with few hosts and many, over a table of ten
million measurements.

A page's figure is the median and the worst of some requests to a real web process on loopback, from the request to the
answer's first byte. Commands and ticks are called in this process. Queries, fetched rows and CPU time are of this
process.
"""

from __future__ import annotations

import io
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

MEASUREMENTS, SHOWN = 10_000_000, 2_000_000
RUNS_EACH = 10
SOAK_HOURS = 40
REQUESTS = 15
ENOUGH_S = 20
REPEATS = 5


@dataclass(frozen=True)
class Figure:
    """`cpu_ms` is the median of this process. A command or tick has it alone."""

    hosts: int
    runs: int
    name: str
    queries: int
    rows: int
    cpu_ms: float
    p50_ms: float | None = None
    worst_ms: float | None = None

    def __str__(self) -> str:
        times = "" if self.p50_ms is None else f" {self.p50_ms:.0f} ms | {self.worst_ms:.0f} ms |"
        return f"| {self.hosts} | {self.name} | {self.queries} | {self.rows} | {self.cpu_ms:.1f} ms |{times}"


def main(hosts: list[int], measurements: int, runs: int | None, *, as_json: bool) -> None:
    """`runs` of all hosts together; else ten of each."""
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        database = _prepare(Path(folder))
        soak = _soak(measurements)
        for count in hosts:
            _fill(count, runs or count * RUNS_EACH)
            for figure in (*_pages_of(count, Path(folder), database, soak), *_calls_of(count)):
                figures.append(figure)
                print(figure, flush=True)
    if as_json:
        print(json.dumps({"measurements": measurements, "figures": [asdict(figure) for figure in figures]}))


def _pages_of(hosts: int, folder: Path, database: str, soak: Any) -> Iterator[Figure]:
    from tests.runs.webprocess import WebProcess

    web = WebProcess(folder, database)
    web.start()
    try:
        client = web.log_in("operator", "a-pass-for-figures")
        client.timeout = 300
        for name, path in _pages(soak).items():
            times = sorted(_first_bytes(client, path))
            yield _counted(hosts, name, _getter(path), p50_ms=statistics.median(times), worst_ms=times[-1])
    finally:
        web.stop()


def _calls_of(hosts: int) -> Iterator[Figure]:
    """Commands, and what the worker does every second."""
    from django.conf import settings
    from django.core.management import call_command

    import notifications.outbox
    import pxe.allowed
    import pxe.wake
    import runs.dispatcher
    import runs.jobs
    import runs.outages
    import runs.reports.write
    import runs.retention
    import runs.watchdog
    import vetting.rounds

    full = settings.VETTING.dispatcher.model_copy(update={"max_concurrent": 1})
    settings.VETTING = settings.VETTING.model_copy(update={"dispatcher": full})
    runs.outages.web_answers = lambda: True
    notifications.outbox.tick()
    for words in (("hosts",), ("hosts", "--state", "held"), ("hosts", "--json"), ("runs",), ("runs", "--live")):
        yield _counted(hosts, " ".join(words), lambda words=words: call_command(*words, stdout=io.StringIO()))
    for tick in (
        runs.dispatcher.start_runs, vetting.rounds.share_link, runs.watchdog.tick, pxe.wake.tick,
        notifications.outbox.tick, runs.reports.write.tick, runs.retention.tick, runs.jobs.tick, pxe.allowed.now,
    ):  # fmt: skip
        yield _counted(hosts, f"{tick.__module__}.{tick.__name__}", tick)


def _counted(hosts: int, name: str, call: Callable[[], object], **times: float) -> Figure:
    from runs.models import Run
    from tests.database_work import watched

    call()
    with watched() as work:
        call()
    spent = []
    for _ in range(REPEATS):
        begun = time.process_time()
        call()
        spent.append((time.process_time() - begun) * 1000)
    cpu_ms = statistics.median(spent)
    return Figure(hosts, Run.objects.count(), name, len(work.statements), work.rows, cpu_ms, **times)


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
    """A run of forty hours with two million measurements, or with half of all; the others are copies of it."""
    from tests import factories
    from tests.bench import measured

    run = factories.started(factories.State.BURN, minutes=SOAK_HOURS * 60)
    factories.pass_stages(run, factories.State.BURN)
    factories.be_in(run, factories.State.BURN)
    shown = min(measurements // 2, SHOWN)
    measured.fill(run.pk, shown, hours=SOAK_HOURS)
    for _ in range(measurements // shown - 1):
        measured.copy(run.pk, factories.passed().pk)
    return run


def _fill(hosts: int, runs: int) -> None:
    """Up to so many hosts and runs."""
    from hosts.models import Host
    from runs.models import Run
    from tests import installation

    installation.fill(max(0, hosts - Host.objects.count()), max(0, runs - Run.objects.count()))


def _pages(run: Any) -> dict[str, str]:
    from runs.models import MeasurementBatch

    now, last_id = int(time.time()), MeasurementBatch.objects.latest("id").pk
    return {
        "dashboard": "/",
        "dashboard, its last page": "/?page=999999",
        "dashboard, a search": "/?q=node-00",
        "dashboard, live update": "/parts/?part=grid",
        "dashboard, live update of a tile": f"/parts/?part=tile-{run.pk}",
        "admin, hosts": "/admin/hosts/host/",
        "admin, held hosts": "/admin/hosts/host/?state=held",
        "admin, runs": "/admin/runs/run/",
        "admin, failed runs": "/admin/runs/run/?verdict=failed",
        "run page of a soak": run.get_absolute_url(),
        "charts of 40 h": f"{run.get_absolute_url()}series.json",
        "charts, what came since": f"{run.get_absolute_url()}series.json?since={now - 10}&last_id={last_id}",
        "charts of the last 15 min": f"{run.get_absolute_url()}series.json?window=900",
        "host page": run.host.get_absolute_url(),
    }


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


def _getter(path: str) -> Callable[[], object]:
    from django.test import Client

    from tests import factories

    client = Client()
    client.force_login(factories.UserFactory(), backend="django.contrib.auth.backends.ModelBackend")

    def get() -> None:
        assert client.get(path).status_code == 200, path

    return get
