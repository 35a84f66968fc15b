"""Slots and the shared link, handed out by more than one worker at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from runs import dispatcher, lifecycle
from runs.models import Run
from tests.rows import a_host


@pytest.fixture
def five_queued(db: None) -> list[Run]:
    hosts = [a_host(f"node-{n}", mac=f"52:54:00:00:01:0{n}") for n in range(5)]
    return [lifecycle.start_run(host, profile_name="quick") for host in hosts]


def test_a_worker_that_saw_a_free_slot_looks_again_when_it_is_its_turn(
    five_queued: list[Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker, whose lease has run out in the middle of its round, does all of its own before."""
    real, others = dispatcher.taking_turns, iter([True])

    @contextmanager
    def after_another_worker() -> Iterator[None]:
        if next(others, False):
            dispatcher.tick()
        with real():
            yield

    monkeypatch.setattr(dispatcher, "taking_turns", after_another_worker)
    dispatcher.tick()
    assert [run.pk for run in Run.objects.in_a_slot().order_by("id")] == [run.pk for run in five_queued[:3]]


def test_a_full_house_loads_nobody_who_waits(five_queued: list[Run], django_assert_num_queries: object) -> None:
    dispatcher.tick()
    with django_assert_num_queries(2):
        dispatcher.tick()
