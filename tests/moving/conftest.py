"""A SQLite installation of the test's own, with something in every table, and a PostgreSQL server for one file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from django.contrib.admin.models import LogEntry
from django.db import transaction
from django.utils import timezone
from django_q.models import OrmQ, Schedule

from hosts.models import Host, WritableDisk
from notifications.models import Cursor, Delivery, Notice
from restapi import tokens
from runs.models import BenchShortage, Job, Lease, LeftOut, Override, Run, RunEvent, Series, SeriesHour, WebOutage
from tests import factories
from tests.backups.conftest import own_sqlite, own_system  # noqa: F401  fixtures
from tests.invariants.conftest import make_runs
from tests.runs import postgresql


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a server's first database."""
    programs = postgresql.binaries()
    if programs is None:
        pytest.skip("no PostgreSQL server here: apt-get install postgresql")
    with postgresql.server(programs) as url:
        yield url


@pytest.fixture
def empty(server: str, request: pytest.FixtureRequest) -> str:
    """The address of an empty database of the test's own."""
    name = f"db{abs(hash(request.node.nodeid))}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0'.encode())
    return f"{server.rpartition('/')[0]}/{name}"


@pytest.fixture
def installation(own_sqlite: None, tmp_path: Path) -> Path:  # noqa: F811
    """Its SQLite file. Nobody is at work on it."""
    make_runs()
    factories.for_every_state()
    _fill_the_rest()
    Lease.objects.update(ticked_at=None)
    return tmp_path / "vetting.sqlite3"


@transaction.atomic
def _fill_the_rest() -> None:
    """Rows of the other tables, and values that are easily changed on the way."""
    now, run = timezone.now(), Run.objects.earliest("pk")
    user = factories.UserFactory(username="ünïcode \U0001f600")
    tokens.make(user, "nightly", ["read"], 30)
    LogEntry.objects.log_actions(user.pk, [Host.objects.earliest("pk")], 2, change_message="changed\ta\\b\nc")
    run.inventory = {"b": 1, "a": [0.1, 1e22, 5e-324, 10**17, None, True, 'quote " and \\ and é'], "": {}}
    run.agent_address, run.progress_seq = "2001:db8::1", 2**40
    run.save()
    event = RunEvent.objects.latest("pk")
    Notice.objects.create(event=event)
    Delivery.objects.create(event=event, target="ntfy", problem="no answer")
    Cursor.objects.create(name="outbox", last_event=event.pk)
    WebOutage.objects.create(started_at=now, ended_at=now + timedelta(microseconds=1))
    BenchShortage.objects.create(kind="cpu", why="steal", weight=0.1 + 0.2, started_at=now, ended_at=now)
    LeftOut.objects.create(run=run, what="findings", count=2**33)
    series = Series.objects.earliest("pk")
    SeriesHour.objects.create(
        series=series, hour=490_000, count=3, lowest=0.1, highest=2.5, total=3.3, minutes=b"\0\xff"
    )
    WritableDisk.objects.create(host=run.host, serial="S-1", allowed_by="ada")
    Override.objects.create(run=run, boot=1, attempt=1, serial="S-1", digest="d" * 64, given_by="ada")
    Schedule.objects.create(name="round", func="x", next_run=now.replace(microsecond=0))
    OrmQ.objects.create(key="vetting", payload="x" * 9000, lock=now)
    for _ in range(2):  # the number of the deleted one is not to be given again
        job = Job.objects.create(call=f"a.b{_}", title="a job", limit_s=1)
    job.delete()
