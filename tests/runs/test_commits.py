"""What was read from rows is read again after a commit, and not before."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from runs.database import commits
from runs.models import Lease

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def names() -> Callable[[], list[str]]:
    @commits.remembered
    def read() -> list[str]:
        return sorted(Lease.objects.values_list("name", flat=True))

    return read


def selects(call: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as asked:
        call()
    return sum("SELECT" in query["sql"] for query in asked)


def elsewhere(call: Callable[[], object]) -> None:
    """On another connection."""

    def and_close() -> None:
        call()
        connection.close()

    thread = threading.Thread(target=and_close)
    thread.start()
    thread.join()


def test_rows_are_read_once_while_nothing_is_committed(names: Callable[[], list[str]]) -> None:
    assert [selects(names) for _ in range(3)] == [1, 0, 0]


def test_what_this_connection_writes_is_read(names: Callable[[], list[str]]) -> None:
    names()
    Lease.objects.create(name="a")
    assert names() == ["a"]
    Lease.objects.filter(name="a").update(name="b")
    assert names() == ["b"]
    Lease.objects.all().delete()
    assert names() == []


def test_what_another_connection_commits_is_read(names: Callable[[], list[str]]) -> None:
    names()
    elsewhere(lambda: Lease.objects.create(name="a"))
    assert names() == ["a"]


def test_what_is_rolled_back_is_not_remembered(names: Callable[[], list[str]]) -> None:
    with transaction.atomic():
        Lease.objects.create(name="a")
        assert names() == ["a"]
        transaction.set_rollback(True)
    assert names() == []


def test_a_new_connection_reads_anew(names: Callable[[], list[str]]) -> None:
    names()
    connection.close()
    assert selects(names) == 1


def test_other_arguments_are_another_question() -> None:
    @commits.remembered
    def count(name: str) -> int:
        return Lease.objects.filter(name=name).count()

    Lease.objects.create(name="a")
    assert (count("a"), count("b"), count("a")) == (1, 0, 1)
