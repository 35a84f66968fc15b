"""A round in which nothing happens asks the database for no row, and the next one sees what was committed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_q.conf import Conf

import runs.outages
from pxe.link import ownport
from runs.bench import last_seen, process, service_state
from runs.jobs import enqueue
from runs.machine import State
from runs.models import Job, Run
from tests.rows import a_host, a_run
from vetting import leadership, rounds, taskqueue
from vetting.management.commands import vetworker

pytestmark = pytest.mark.django_db(transaction=True)


class NoWatch:
    def round(self) -> AbstractContextManager[None]:
        return nullcontext()

    def tick(self, name: str) -> AbstractContextManager[None]:
        return nullcontext()


@pytest.fixture
def a_round(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """A round of the machine that leads, with DHCP and iperf3 off."""
    config = settings.VETTING
    settings.VETTING = config.model_copy(
        update={
            "pxe": config.pxe.model_copy(update={"mode": "off"}),
            "iperf3": config.iperf3.model_copy(update={"supervise": "off"}),
        }
    )
    monkeypatch.setattr(runs.outages, "web_answers", lambda: True)
    monkeypatch.setattr(ownport, "look", lambda: None)
    me = process.mine()
    assert leadership.take_round(me) and leadership.take_lead(me)

    def do() -> None:
        rounds.do_round(NoWatch())  # type: ignore[arg-type]
        assert leadership.renew(me) == (True, True)

    yield do


def elsewhere(call: Callable[[], object]) -> None:
    """On another connection, as another process."""

    def and_close() -> None:
        call()
        connection.close()

    thread = threading.Thread(target=and_close)
    thread.start()
    thread.join()


def test_a_round_in_which_nothing_happens_reads_no_row(a_round: Callable[[], None]) -> None:
    a_round()
    Job.objects.all().delete()  # the janitor's first sweep
    a_round()
    with CaptureQueriesContext(connection) as asked:
        a_round()
    assert {query["sql"] for query in asked} == {"PRAGMA data_version"}


def test_a_run_that_another_process_queues_starts_in_the_next_round(a_round: Callable[[], None]) -> None:
    host = a_host()
    for _ in range(3):
        a_round()
    elsewhere(lambda: a_run(host=host, state=State.QUEUED))
    a_round()
    assert Run.objects.get().state == State.WAITING_WOL


def test_an_empty_queue_is_not_read_again_until_something_is_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Conf, "POLL", 0)
    queue = taskqueue.Queue("vetting")
    assert queue.dequeue() is None
    with CaptureQueriesContext(connection) as asked:
        assert queue.dequeue() is None
    assert [query["sql"] for query in asked] == ["PRAGMA data_version"]
    elsewhere(lambda: [enqueue("time.time"), enqueue("time.time")])
    assert [len(queue.dequeue() or []) for _ in range(3)] == [1, 1, 0]


def test_an_empty_queue_is_read_now_and_then_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Conf, "POLL", 0)
    monkeypatch.setattr(taskqueue, "ASK_AGAIN_S", 0.0)
    queue = taskqueue.Queue("vetting")
    queue.dequeue()
    with CaptureQueriesContext(connection) as asked:
        queue.dequeue()
    assert any("django_q_ormq" in query["sql"] for query in asked)


def test_the_parent_asks_the_database_only_if_no_round_was_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(service_state, "last_round", lambda name: asked.append(name))
    seen = ["1st", "2nd", "2nd"]
    monkeypatch.setattr(last_seen, "read", lambda name: seen.pop(0))
    first = vetworker._last_round(None)
    second = vetworker._last_round(first)
    assert (first, second, asked) == ("1st", "2nd", [])
    vetworker._last_round(second)
    assert asked == [leadership.local()]
