"""One tick that takes long: the others get their turn, the worker is seen to live, and it is told which one it was."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from runs.bench import problems as bench
from runs.bench import service_state
from runs.models import Lease
from vetting import leadership, rounds, tickwatch
from vetting.tickwatch import Watch

pytestmark = pytest.mark.django_db(transaction=True)

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n"


@pytest.fixture(autouse=True)
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in {"LOOK_EVERY_S": 0.02, "RENEW_EVERY_S": 0.05, "LIMIT_S": 0.4, "END_S": 60.0}.items():
        monkeypatch.setattr(tickwatch, name, seconds)
    an_hour = timedelta(hours=1)
    times = {"ticked_at": timezone.now() - an_hour, "until": timezone.now() + an_hour}
    Lease.objects.create(name=Lease.ROUND, holder="me", **times)


def a_round(monkeypatch: pytest.MonkeyPatch, *ticks: Callable[[], object]) -> None:
    monkeypatch.setattr(rounds, "TICKS", ticks)
    with Watch(lambda: leadership.renew("me"), lambda: None) as watch:
        rounds.do_round(watch)


def sleeps() -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            time.sleep(0.01)
        except Exception:
            continue


def asks_for_ever() -> None:
    with connection.cursor() as cursor:
        cursor.execute(ENDLESS)


@pytest.mark.parametrize("slow", [sleeps, asks_for_ever])
def test_it_is_stopped_told_by_name_and_left_out_for_a_while(
    slow: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    had_their_turn: list[float] = []

    def after() -> None:
        had_their_turn.append(service_state.age_s())

    a_round(monkeypatch, slow, after)
    assert len(had_their_turn) == 1 and had_their_turn[0] < service_state.SILENT_AFTER_S
    name = f"tests.vetting.test_tickwatch.{slow.__name__}"
    assert tickwatch.is_paused(tickwatch.known(), name)
    assert bench.problems("round")[0].what.startswith(f"The worker's tick {name} took ")
    started = time.monotonic()
    a_round(monkeypatch, slow, after)
    assert len(had_their_turn) == 2 and time.monotonic() - started < 10  # it was left out


def test_one_that_ends_in_time_again_is_no_longer_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def quick() -> None: ...

    name = rounds.name_of(quick)
    tickwatch.pause(name, 16)
    known = tickwatch.known()
    Lease.objects.update(paused={name: known[name] | {"until": 0}})
    a_round(monkeypatch, quick)
    assert (tickwatch.known(), bench.problems("round")) == ({}, [])


def test_one_that_cannot_be_interrupted_ends_its_process_and_another_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    ended, handed_over = threading.Event(), threading.Event()
    monkeypatch.setattr(tickwatch, "END_S", 0.6)
    monkeypatch.setattr(tickwatch.os, "_exit", lambda status: ended.set())

    def stuck() -> None:
        while not ended.is_set():
            try:
                ended.wait(0.05)
            except BaseException:
                continue

    monkeypatch.setattr(rounds, "TICKS", [stuck])
    with Watch(lambda: None, handed_over.set) as watch:
        rounds.do_round(watch)
    assert handed_over.is_set()
    assert rounds.name_of(stuck) in tickwatch.known()


def test_a_clock_that_was_set_back_leaves_no_tick_out_for_hours() -> None:
    assert not tickwatch.is_paused({"x": {"until": time.time() + 7200}}, "x")
