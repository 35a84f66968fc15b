"""Slots and the shared link, handed out by more than one worker at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.conf import settings

from runs import dispatcher, lifecycle
from runs.dispatcher import LoopbackResult
from runs.models import Run
from tests import factories, work
from tests.invariants.conftest import claimed
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
            work.dispatch()
        with real():
            yield

    monkeypatch.setattr(dispatcher, "taking_turns", after_another_worker)
    work.dispatch()
    assert [run.pk for run in Run.objects.in_a_slot().order_by("id")] == [run.pk for run in five_queued[:3]]


def test_a_full_house_loads_nobody_who_waits(five_queued: list[Run], django_assert_num_queries: object) -> None:
    work.dispatch()
    with django_assert_num_queries(2):
        work.dispatch()


def test_a_run_belongs_to_the_site_that_it_booted_from(db: None) -> None:
    assert Run.objects.get(pk=claimed(1).run_id).site == settings.VETTING.web.address


def test_the_link_of_another_site_is_left_to_its_machine(db: None) -> None:
    ours, theirs = factories.waiting_for_link(), factories.waiting_for_link()
    Run.objects.filter(pk=theirs.pk).update(site="10.9.9.9")
    dispatcher.share_link(LoopbackResult)
    assert [run.stage_runs.get(outcome="").go_at is not None for run in (ours, theirs)] == [True, False]
