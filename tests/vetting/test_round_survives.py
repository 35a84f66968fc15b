"""The worker's round goes on through a database that refuses a statement, and through a clock that is set back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.utils import timezone
from django_q.models import OrmQ, Schedule

from runs import jobs
from runs.bench import service_state
from runs.jobs import enqueue
from runs.models import Job, Lease
from vetting import leadership, processes, rounds
from vetting.management.commands import vetworker

pytestmark = pytest.mark.django_db(transaction=True)
HOURS = timedelta(hours=5)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "TICKS", ())
    monkeypatch.setattr(rounds, "SESSION_S", 0.0)
    monkeypatch.setattr(rounds, "ALONE_SESSION_S", 0.0)
    monkeypatch.setattr(rounds, "INTERVAL_S", 0.0)


@pytest.fixture
def refused_once(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """The first statement with these words is refused."""
    refused: list[str] = []

    def refuse(execute: Any, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if request.param in sql and not refused:
            refused.append(sql)
            raise OperationalError("database is locked")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refuse):
        yield refused


@pytest.mark.parametrize("refused_once", ['"ticked_at" =', '"until" = NULL', 'INTO "django_q_ormq"'], indirect=True)
def test_a_session_that_is_refused_a_statement_still_hands_over(refused_once: list[str]) -> None:
    assert rounds.session() == "done"
    assert refused_once
    assert [row.task["func"] for row in OrmQ.objects.all()] == [rounds.SESSION]
    assert Lease.objects.get(name=leadership.local()).until is None


def test_a_dead_sessions_lease_is_free_though_the_clock_was_set_back() -> None:
    Lease.objects.create(name=Lease.ROUND, holder="bench/1/1/1", until=timezone.now() + HOURS)
    assert leadership.take("bench/1/2/2", Lease.ROUND)


def test_a_lease_that_somebody_holds_is_not_free() -> None:
    assert leadership.take("bench/1/1/1", Lease.ROUND)
    assert not leadership.take("bench/1/2/2", Lease.ROUND)


def test_the_schedule_begins_anew_with_each_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leadership, "is_alone", lambda: False)
    rounds.ensure_schedule()
    Schedule.objects.update(next_run=timezone.now() + HOURS)
    rounds.ensure_schedule()
    assert Schedule.objects.get().next_run <= timezone.now()


def test_the_only_machine_has_no_schedule_since_each_minute_would_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leadership, "is_alone", lambda: False)
    rounds.ensure_schedule()
    monkeypatch.undo()
    rounds.ensure_schedule()
    assert not Schedule.objects.exists()


def test_a_session_leaves_none_in_the_queue_but_its_successor_and_the_jobs() -> None:
    rounds.queue_session()
    enqueue("runs.jobs.work", 1, 1)
    rounds.session()
    assert [row.task["func"] for row in OrmQ.objects.order_by("id")] == ["runs.jobs.work", rounds.SESSION]


@pytest.fixture
def long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "ALONE_SESSION_S", 3600.0)


def test_a_session_ends_when_a_process_of_the_cluster_has_ended(long: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "_cluster", lambda: "1 2 3")
    length = rounds.Length()
    assert not length.is_over()
    monkeypatch.setattr(rounds, "_cluster", lambda: "1 3 4")
    assert length.is_over()


def test_a_session_ends_when_nobody_begins_a_job(long: None) -> None:
    jobs.ask(jobs.Kind("time.time", "the time", limit_s=5))
    Job.objects.update(handed_at=timezone.now())
    length = rounds.Length()
    assert not length.is_over()
    Job.objects.update(handed_at=timezone.now() - timedelta(seconds=6))
    assert length.is_over()
    Job.objects.update(started_at=timezone.now())
    assert not length.is_over()


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[vetworker.Command]:
    """A parent that looks often, and is ended after two seconds at the latest."""
    monkeypatch.setattr(vetworker, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(service_state, "SILENT_AFTER_S", 0.1)
    monkeypatch.setattr(vetworker, "STARTS_WITHIN_S", 0.3)
    command = vetworker.Command()
    command.stopping = False
    end = threading.Timer(2, lambda: setattr(command, "stopping", True))
    end.start()
    yield command
    end.cancel()


def test_a_worker_that_does_no_round_is_seen_though_the_last_one_lies_in_the_future(
    worker: vetworker.Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    Lease.objects.create(name=leadership.local(), ticked_at=timezone.now() + HOURS)
    killed: list[int] = []
    monkeypatch.setattr(processes, "kill_group", killed.append)
    worker._watch(SimpleNamespace(poll=lambda: None, pid=4711))
    assert killed == [4711]


def test_a_parent_that_cannot_ask_the_database_neither_ends_nor_blames_the_cluster(
    worker: vetworker.Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str) -> None:
        raise OperationalError("database is locked")

    looks: list[None] = []
    monkeypatch.setattr(service_state, "last_round", refuse)
    monkeypatch.setattr(processes, "kill_group", lambda pid: pytest.fail("killed"))
    cluster = SimpleNamespace(poll=lambda: looks.append(None) if len(looks) < 20 else 1, pid=4711, returncode=1)
    worker._watch(cluster)
    assert len(looks) == 20


def test_a_parent_that_sees_no_round_for_a_while_asks_for_a_session_once(
    worker: vetworker.Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vetworker, "ASK_AGAIN_AFTER_S", 0.05)
    monkeypatch.setattr(service_state, "SILENT_AFTER_S", 60.0)
    looks = iter(range(30))

    def poll() -> int | None:
        look = next(looks, None)
        if look == 1:
            Lease.objects.create(name=leadership.local(), ticked_at=timezone.now())
        return 1 if look is None else None

    worker._watch(SimpleNamespace(poll=poll, pid=4711, returncode=1))
    assert [row.task["func"] for row in OrmQ.objects.all()] == [rounds.SESSION]


def test_a_cluster_that_takes_long_to_start_is_not_started_again(
    worker: vetworker.Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vetworker, "STARTS_WITHIN_S", 60.0)
    monkeypatch.setattr(processes, "kill_group", lambda pid: pytest.fail("killed"))
    looks: list[None] = []
    cluster = SimpleNamespace(poll=lambda: looks.append(None) if len(looks) < 30 else 1, pid=4711, returncode=1)
    worker._watch(cluster)
    assert len(looks) == 30


def test_a_cluster_that_did_not_start_in_time_is_given_twice_as_long_the_next_time() -> None:
    """A starved machine: killed after a fixed time, each time, it would never come up."""
    given = [1]
    for _ in range(4):
        given.append(vetworker.longer(given[-1], did_a_round=False))
    assert given == [1, 2, 4, 8, 8]
    assert vetworker.longer(8, did_a_round=True) == 1
