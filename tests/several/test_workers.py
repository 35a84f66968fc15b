"""Workers of several machines on one PostgreSQL database: what one machine may do at a time is done by one."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone
from django_q.models import OrmQ

from runs import dispatcher, jobs, lifecycle
from runs.bench import fitness
from runs.database import clock
from runs.dispatcher import LoopbackResult
from runs.invariants import Scope, slots
from runs.machine import State
from runs.models import Job, Lease, Run, StageRun
from tests import factories
from tests.rows import a_host
from tests.several.machines import Diary, Machine
from vetting import leadership, rounds

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("shared_database")]

LIMIT_S = 60.0


def until(condition: Callable[[], bool], what: str) -> None:
    ends = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < ends, what
        time.sleep(0.02)


@pytest.fixture
def diary(tmp_path: Path) -> Diary:
    return Diary(tmp_path / "diary")


@pytest.fixture
def worker(diary: Diary, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Does rounds for ever: `near` is done by each machine, `once` by the one that leads."""

    def near() -> None:
        diary.note("near")

    def once() -> None:
        diary.note("once", "begin")
        time.sleep(0.05)
        diary.note("once", "end")

    monkeypatch.setattr(rounds, "TICKS", (near, once))
    monkeypatch.setattr(rounds, "ON_EACH_MACHINE", (near,))
    monkeypatch.setattr(rounds, "SESSION_S", 0.5)
    monkeypatch.setattr(rounds, "INTERVAL_S", 0.1)
    monkeypatch.setattr(leadership, "LEASE", timedelta(seconds=4))

    def work() -> None:
        while True:
            assert rounds.session() in ("done", "held by another")

    return work


def test_one_machine_leads_and_if_it_dies_another_one_does(diary: Diary, worker: Callable[[], None]) -> None:
    machines = {name: Machine(name, worker) for name in ("one", "two")}
    try:
        until(lambda: {"one", "two"} <= set(diary.who("near")) and bool(diary.who("once")), "no rounds")
        until(lambda: len(diary.who("once")) > 20, "the leader does not go on through its sessions")
        leaders = set(diary.who("once"))
        assert len(leaders) == 1, "sessions end and begin, and the same machine leads"
        (leader,) = leaders
        machines[leader].kill()
        died_at = len(diary.lines())
        until(lambda: set(diary.who("once")) == {"one", "two"}, "nobody leads any more")
        assert {line[0] for line in diary.lines()[died_at:]} == {"one", "two"} - leaders
    finally:
        for machine in machines.values():
            machine.kill()


def test_of_two_processes_of_one_machine_one_does_the_rounds(diary: Diary, worker: Callable[[], None]) -> None:
    twins = [Machine("one", worker), Machine("one", worker)]
    until(lambda: len(diary.who("once")) > 20, "no rounds")
    for twin in twins:
        twin.kill()
    said = [line[2] for line in diary.lines() if line[1] == "once"]
    assert said[: len(said) // 2 * 2] == ["begin", "end"] * (len(said) // 2), "two did it at the same time"


def test_a_machine_whose_clock_is_wrong_does_not_lead(diary: Diary, worker: Callable[[], None]) -> None:
    def wrong_clock() -> None:
        right = timezone.now
        timezone.now = lambda: right() + timedelta(minutes=1)
        worker()

    late = Machine("late", wrong_clock)
    until(lambda: len(diary.who("near")) > 3, "no rounds")
    late.kill()
    assert diary.who("once") == []


def test_a_lease_ends_by_the_databases_clock() -> None:
    assert leadership.take("one/boot/1/1", Lease.ROUND)

    def takes_it_with_a_clock_that_is_ahead() -> None:
        right = timezone.now
        timezone.now = lambda: right() + timedelta(minutes=1)
        assert not leadership.take("two/boot/1/1", Lease.ROUND)

    assert Machine("two", takes_it_with_a_clock_that_is_ahead).end() == 0
    Lease.objects.update(until=clock.now() - timedelta(seconds=1))
    assert leadership.take("two/boot/1/1", Lease.ROUND)


def test_no_more_runs_have_a_slot_than_there_are() -> None:
    hosts = [a_host(f"node-{n}", mac=f"52:54:00:00:01:{n:02x}") for n in range(12)]
    for host in hosts:
        lifecycle.start_run(host, profile_name="quick")

    def dispatch() -> None:
        for _ in range(5):
            dispatcher.start_runs()

    machines = [Machine(name, dispatch) for name in ("one", "two", "three")]
    assert [machine.end() for machine in machines] == [0, 0, 0]
    slots_there = settings.VETTING.dispatcher.max_concurrent
    assert Run.objects.in_a_slot().count() == slots_there
    assert Run.objects.get(pk=Run.objects.in_a_slot().earliest("pk").pk).events.filter(kind="dispatch").count() == 1
    assert [broken for one in slots.ALL for broken in one.find(Scope())] == []


def test_one_attempt_of_a_site_has_its_link(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitness, "starved_now", lambda: "")
    waiting = [factories.waiting_for_link() for _ in range(6)]
    for number, run in enumerate(waiting):
        Run.objects.filter(pk=run.pk).update(site=("10.0.0.1", "10.0.0.2")[number % 2])

    def share() -> None:
        for _ in range(5):
            dispatcher.share_link(LoopbackResult)

    sites = ("10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.2")
    machines = [Machine(f"m{number}", share, site=site) for number, site in enumerate(sites)]
    assert [machine.end() for machine in machines] == [0, 0, 0, 0]
    going = StageRun.objects.filter(name=State.NETWORK).exclude(go_at=None).values_list("run__site", flat=True)
    assert sorted(going) == ["10.0.0.1", "10.0.0.2"]


def test_a_job_is_handed_out_by_one_machine(diary: Diary, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = jobs.Kind("django.utils.timezone.now", "a job", limit_s=5)
    for number in range(6):
        jobs.ask(kind, number)

    def hand_out() -> None:
        settings.Q_CLUSTER["cluster_name"] = f"vetting {settings.MACHINE}"
        for _ in range(5):
            jobs.tick()

    machines = [Machine(name, hand_out) for name in ("one", "two", "three")]
    assert [machine.end() for machine in machines] == [0, 0, 0]
    room = settings.Q_CLUSTER["workers"] - 1
    handed = Job.objects.exclude(handed_at=None)
    assert handed.count() == 6
    assert set(handed.values_list("number", flat=True)) == {1}, "each was handed out once"
    assert OrmQ.objects.count() == 6
    holders = [holder.partition("/")[0] for holder in handed.values_list("holder", flat=True)]
    assert max(holders.count(name) for name in holders) <= room


def test_a_job_of_a_machine_that_is_gone_is_tried_elsewhere() -> None:
    kind = jobs.Kind("django.utils.timezone.now", "a job", limit_s=5, most_tries=3)
    jobs.ask(kind)
    assert Machine("one", jobs.tick).end() == 0
    assert Job.objects.get().holder.startswith("one/")
    Job.objects.update(handed_at=timezone.now() - timedelta(minutes=2))

    def look_twice() -> None:
        jobs.tick()
        jobs.tick()

    assert Machine("two", look_twice).end() == 0
    job = Job.objects.get()
    assert (job.number, job.holder.partition("/")[0], job.tries) == (2, "two", 0)
