"""Pages, commands and the worker's round ask as much of the database for many hosts and runs as for few."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

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
from runs.models import Run
from tests import factories, installation
from tests.database_work import Work, watched
from tests.runs import postgresql

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

SIZES = ((5, 20), (500, 1500), (5, 3000))
"""Hosts and runs that are added one after the other. The last ones make three times as many runs of hardly more hosts.
There is a host more for each way in which a run stands."""

PAGES = {
    "/": 1000,
    "/?page=2": 1000,
    "/?show=rest&page=5": 1000,
    "/?q=node-00": 1000,
    "/?health=good": 1000,
    "/parts/?part=grid": 1000,
    "/parts/?part=tile-{live}": 60,
    "/admin/hosts/host/": 1600,
    "/admin/hosts/host/?state=held": 1000,
    "/admin/hosts/host/?model=R300": 1000,
    "/admin/runs/run/": 300,
    "/admin/runs/run/?state=Completed": 300,
    "/admin/runs/run/?verdict=failed": 300,
    "/admin/runs/run/?q=node-00012": 300,
    "/admin/runs/run/?q=backplane": 300,
    "/admin/runs/run/?q=DIMM_A1": 300,
    "/admin/runs/job/": 100,
    "/admin/notifications/delivery/": 100,
}
COMMANDS: dict[tuple[str, ...], int] = {
    ("hosts",): 1000,
    ("hosts", "--json"): 2500,
    ("hosts", "--state", "held"): 1000,
    ("hosts", "--state", "idle"): 1000,
    ("hosts", "--state", "never"): 1000,
    ("runs",): 60,
    ("runs", "--live"): 60,
    ("runs", "--verdict", "passed"): 60,
    ("runs", "--state", "Failed"): 60,
}
TICKS: dict[str, Callable[[], object]] = {
    "slots": runs.dispatcher.start_runs,
    "link": vetting.rounds.share_link,
    "watchdog": runs.watchdog.tick,
    "wake": pxe.wake.tick,
    "allowed MACs": pxe.allowed.now,
    "notifications": notifications.outbox.tick,
    "reports": runs.reports.write.tick,
    "janitor": runs.retention.tick,
    "jobs": runs.jobs.tick,
}
TICK_ROWS = 60

LARGE = frozenset(
    {
        "runs_run", "runs_stagerun", "runs_runevent", "runs_finding", "runs_measurementbatch", "runs_series",
        "runs_serieshour", "runs_ladderrung", "runs_boot", "runs_artifact", "runs_wakerequest", "runs_specdiff",
        "runs_holdsession",
    }
)  # fmt: skip
"""Tables that grow with the number of runs."""
COUNT_RUNS = frozenset(
    {name for name in PAGES if name.startswith("/admin/runs/run/")} | {"runs", "runs --verdict passed"}
)
"""These say how many runs there are. The database counts them in an index: some instructions for each."""
STEPS_EACH = 40
SPARE_STEPS = 5_000


def _page(client: Client, address: str) -> None:
    live = Run.objects.filter(state="SMART").values_list("pk", flat=True).last()
    assert client.get(address.format(live=live)).status_code == 200


def _everything(client: Client) -> Iterator[tuple[str, int, Callable[[], object]]]:
    for address, rows in PAGES.items():
        yield address, rows, lambda address=address: _page(client, address)
    for words, rows in COMMANDS.items():
        yield " ".join(words), rows, lambda words=words: call_command(*words, stdout=io.StringIO())
    for name, tick in TICKS.items():
        yield f"tick of {name}", TICK_ROWS, tick


@pytest.fixture(scope="module")
def measured(django_db_setup: Any, django_db_blocker: Any) -> Iterator[dict[str, list[Work]]]:
    """What each page, command and tick asked for, by the size of the installation."""
    with django_db_blocker.unblock(), pytest.MonkeyPatch.context() as patch, transaction.atomic():
        patch.setattr(runs.outages, "web_answers", lambda: True)
        many = settings.VETTING.dispatcher.model_copy(update={"max_concurrent": 1_000})
        patch.setattr(settings, "VETTING", settings.VETTING.model_copy(update={"dispatcher": many}))
        client = Client()
        client.force_login(factories.UserFactory(), backend="django.contrib.auth.backends.ModelBackend")
        found: dict[str, list[Work]] = {}
        for hosts, count in SIZES:
            installation.fill(hosts, count)
            _be_calm()
            for name, _, call in _everything(client):
                call()  # what is made once is there now
                with watched() as work:
                    call()
                found.setdefault(name, []).append(work)
        yield found
        transaction.set_rollback(True)


def _be_calm() -> None:
    """Nothing is due now, and nobody waits for a slot that is free."""
    Run.objects.filter(state="Queued").update(state="Cancelled", ended_at=timezone.now() - timedelta(days=2))
    notifications.outbox.tick()


def test_the_number_of_queries_does_not_grow(measured: dict[str, list[Work]]) -> None:
    counted = {name: [len(work.statements) for work in works] for name, works in measured.items()}
    assert {name: counts for name, counts in counted.items() if len(set(counts)) != 1} == {}


def test_the_number_of_rows_is_bounded(measured: dict[str, list[Work]]) -> None:
    most = {**PAGES, **{" ".join(words): rows for words, rows in COMMANDS.items()}}
    fetched = {name: works[-1].rows for name, works in measured.items()}
    assert {name: rows for name, rows in fetched.items() if rows > most.get(name, TICK_ROWS)} == {}


@pytest.mark.skipif(connection.vendor != "sqlite", reason="counts SQLite's instructions")
def test_a_longer_history_costs_the_database_nothing(measured: dict[str, list[Work]]) -> None:
    grown = {name: works[2].steps - works[1].steps for name, works in measured.items()}
    allowed = {name: STEPS_EACH * SIZES[2][1] if name in COUNT_RUNS else SPARE_STEPS for name in grown}
    assert {name: steps for name, steps in grown.items() if steps > allowed[name]} == {}


@pytest.mark.skipif(connection.vendor != "postgresql", reason="reads PostgreSQL's plans")
def test_no_table_of_runs_is_read_from_end_to_end(measured: dict[str, list[Work]]) -> None:
    scanned = {name: LARGE & set(works[-1].scanned()) for name, works in measured.items()}
    assert {name: tables for name, tables in scanned.items() if tables} == {}


@pytest.mark.skipif(connection.vendor == "postgresql", reason="this is the call on PostgreSQL")
def test_the_same_holds_on_postgresql() -> None:
    """All of this module, in a process of its own."""
    programs = postgresql.binaries()
    if programs is None:
        pytest.skip("no PostgreSQL server here: apt-get install postgresql")
    with postgresql.server(programs) as url:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__],
            cwd=Path(__file__).parents[2], env={**os.environ, "DATABASE_URL": url}, capture_output=True, text=True,
        )  # fmt: skip
    assert done.returncode == 0 and "3 passed" in done.stdout, done.stdout + done.stderr
