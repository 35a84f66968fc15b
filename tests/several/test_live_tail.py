"""Live pages on PostgreSQL hear of what other machines commit: by NOTIFY at once, and by looking in any case."""

from __future__ import annotations

import queue
from collections.abc import Iterator

import psycopg
import pytest
from django.db import connection, connections

from runs.live import tailer
from tests import factories
from tests.several.machines import Machine

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("shared_database")]
LIMIT_S = 60.0


class Page:
    """Notes the ids of the events that it is told of."""

    def __init__(self) -> None:
        self.told: queue.Queue[int] = queue.Queue()

    def event(self, news: tailer.News) -> None:
        self.told.put(news.id)

    def changed(self, run_id: int, versions: tailer.Versions) -> None: ...

    def progressed(self, run_ids: list[int], total: int) -> None: ...


@pytest.fixture
def page(shared_database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    """Watched by a thread, whose connection is made from the settings."""
    monkeypatch.setitem(connections.settings, "default", connection.settings_dict)
    page = Page()
    watching = tailer.Tailer(page)
    watching.watch()
    yield page
    watching.stop()


def commit_elsewhere() -> int:
    """An event of another process; its id."""
    run = factories.queued()
    before = run.events.count()
    assert Machine("two", lambda: factories.tell(run, "stage_done")).end() == 0
    assert run.events.count() == before + 1
    return int(run.events.latest("pk").pk)


def test_an_event_of_another_machine_is_told(page: Page) -> None:
    number = commit_elsewhere()
    assert page.told.get(timeout=LIMIT_S) == number


def test_it_is_told_though_no_notification_comes(page: Page) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE runs_runevent DISABLE TRIGGER vetting_live_event")
    number = commit_elsewhere()
    assert page.told.get(timeout=LIMIT_S) == number


def test_it_is_told_after_the_server_has_closed_every_connection(page: Page, shared_database: str) -> None:
    first = commit_elsewhere()
    assert page.told.get(timeout=LIMIT_S) == first
    connection.close()
    with psycopg.connect(shared_database, autocommit=True) as server:
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    second = commit_elsewhere()
    assert page.told.get(timeout=LIMIT_S) == second
