"""Nobody waits for the database for ever: each kind of process has its limits, and what takes longer fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError, connection, transaction

from runs.database import limits as dblimits
from runs.database.limits import AGENT, COMMAND, PAGE, WORKER, Limits

pytestmark = pytest.mark.django_db(transaction=True)

# Counts to 10**12: hours, did nobody end it.
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000000) SELECT max(i) FROM n"


def elsewhere(limits: Limits | None, work: Callable[[], Any]) -> Any:
    """`work` in a thread of its own, with a connection of its own."""
    found: list[Any] = []

    def in_thread() -> None:
        if limits is not None:
            dblimits.use(limits)
        try:
            found.append(work())
        except OperationalError as error:
            found.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=in_thread)
    thread.start()
    thread.join(30)
    return found[0]


def value(query: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchone()[0]


sqlite_only = pytest.mark.skipif("sqlite" not in settings.DATABASES["default"]["ENGINE"], reason="SQLite's own way")


@pytest.fixture
def worker_by_default() -> Iterator[None]:
    dblimits.use_by_default(WORKER)
    yield
    dblimits.use_by_default(COMMAND)


@sqlite_only
@pytest.mark.parametrize("limits", [AGENT, PAGE, WORKER])
def test_a_connection_waits_for_a_lock_as_long_as_who_opened_it_may(limits: Limits) -> None:
    assert elsewhere(limits, lambda: value("PRAGMA busy_timeout")) == limits.lock_s * 1000


@sqlite_only
def test_a_thread_without_limits_of_its_own_has_the_process_s(worker_by_default: None) -> None:
    assert elsewhere(None, lambda: value("PRAGMA busy_timeout")) == WORKER.lock_s * 1000


@sqlite_only
def test_who_waits_for_a_lock_is_told_in_time() -> None:
    def write() -> None:
        with transaction.atomic():
            value("SELECT 1")

    with transaction.atomic():
        error = elsewhere(Limits(lock_s=0.1, statement_s=1), write)
    assert "locked" in str(error)


def test_a_statement_without_an_end_is_ended() -> None:
    error = elsewhere(Limits(lock_s=1, statement_s=0.2), lambda: value(ENDLESS))
    assert isinstance(error, OperationalError)


@sqlite_only
def test_each_statement_has_the_whole_time_and_the_next_is_not_ended_for_the_one_before() -> None:
    def one_and_the_next() -> int:
        with pytest.raises(OperationalError):
            value(ENDLESS)
        return value("SELECT count(*) FROM sqlite_master, sqlite_master b, sqlite_master c")

    assert elsewhere(Limits(lock_s=1, statement_s=2), one_and_the_next) > 0


@sqlite_only
def test_a_connection_that_is_opened_again_is_watched_once() -> None:
    def again() -> int:
        for _ in range(3):
            value("SELECT 1")
            connection.close()
        value("SELECT 1")
        return sum(isinstance(one, dblimits.Clock) for one in connection.execute_wrappers)

    assert elsewhere(PAGE, again) == 1


@sqlite_only
def test_who_watches_the_statements_for_a_while_takes_no_clock_away() -> None:
    def watched() -> int:
        with connection.execute_wrapper(lambda execute, *rest: execute(*rest)):
            value("SELECT 1")
        return sum(isinstance(one, dblimits.Clock) for one in connection.execute_wrappers)

    assert elsewhere(PAGE, watched) == 1


def test_an_agent_is_answered_before_it_hangs_up_and_a_job_ends_before_it_is_ended() -> None:
    assert AGENT.statement_s < 10 and AGENT.lock_s < 10
    assert WORKER.statement_s < settings.Q_CLUSTER["timeout"]
    assert COMMAND.statement_s == 0, "a migration takes the time that it needs"
