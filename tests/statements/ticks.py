"""Each tick of the worker's round, the round itself, and the jobs that they queue; they come again by themselves."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import DatabaseError, close_old_connections
from django.utils import timezone
from django.utils.module_loading import import_string
from django_q.models import OrmQ

import notifications.outbox
import pxe.link.ownport
import pxe.wake
import runs.bench.fitness
import runs.dispatcher
import runs.reports.write
import runs.retention
import runs.rolling_up
import runs.watchdog
from agent.contract import wire
from pxe import dnsmasqlog
from pxe.paths import paths
from runs import jobs, lifecycle
from runs.bench import fitness
from runs.bench.load import Shortage
from runs.files import volatile
from runs.models import Artifact, BenchShortage, Job, Lease, Run, StageRun, WakeRequest
from tests import work
from tests.statements import worlds
from tests.statements.faults import Fault
from tests.statements.sweep import Act, Caller, Done, Scenario, forget
from vetting import rounds

RECORDED = Path(__file__).parents[1] / "recorded" / "dnsmasq" / "ovmf-dhcp.log"


class _NoWatch:
    """Nobody stops what takes long."""

    def tick(self, name: str) -> AbstractContextManager[None]:
        return nullcontext()


def _round_of(tick: Callable[[], object]) -> Act:
    """This tick alone, as the round does it: what it raises is survived, and it comes again."""

    def act(done: Done) -> bool:
        rounds._do(tick, "tick", _NoWatch(), was_paused=False)
        return True

    return lambda done: bool(_survived(act, done))


def _with_its_jobs(tick: Callable[[], object]) -> Act:
    """The tick, and the jobs that it asks for. The queue drops one that fails, and starts one whose worker was killed
    once more."""

    def act(done: Done) -> bool:
        _survived(tick)
        _survived(jobs.tick)
        for row in OrmQ.objects.order_by("id"):
            task = row.task
            _survived(import_string(task["func"]), *task["args"])
            OrmQ.objects.filter(pk=row.pk).delete()
        return True

    return lambda done: bool(_survived(act, done))


def _dispatch() -> Act:
    for number in (1, 2, 3, 4):
        worlds.queued(number)
    return _round_of(work.dispatch)


def _grant_retry() -> Act:
    lifecycle.ask_retry(worlds.run_of(worlds.held()), "SMART", "admin")
    return _round_of(work.dispatch)


def _give_link() -> Act:
    worlds.in_stage("Network")
    worlds.in_stage("Network", 2)
    StageRun.objects.filter(name="Network").update(go_at=None)
    return _round_of(work.dispatch)


def _lend_link() -> Act:
    worlds.in_stage("Burn")
    return _round_of(work.dispatch)


def _wait_for_bench() -> Act:
    worlds.in_stage("Network")
    fitness.note(BenchShortage.PORT, Shortage("100 Mbit/s", 1.0), timezone.now())
    starved = lambda: runs.dispatcher.LoopbackResult(why="too slow: 100 Mbit/s")  # noqa: E731
    return _round_of(lambda: work.dispatch(starved))


def _boot_deadline() -> Act:
    worlds.dispatched(1), worlds.dispatched(2)
    worlds.long_ago()
    return _round_of(runs.watchdog.tick)


def _heartbeat_deadline() -> Act:
    worlds.in_stage("SMART"), worlds.claimed(2)
    worlds.long_ago()
    return _round_of(runs.watchdog.tick)


def _stage_deadline() -> Act:
    worlds.in_stage("SMART")
    worlds.long_ago()
    Run.objects.update(last_seen=timezone.now() + timedelta(minutes=5))
    return _round_of(runs.watchdog.tick)


def _bench_deadline() -> Act:
    worlds.in_stage("SMART")
    worlds.long_ago()
    now = timezone.now()
    spans = {"started_at": now - timedelta(hours=20), "ended_at": now - timedelta(minutes=1)}
    BenchShortage.objects.create(kind=BenchShortage.CPU, why="72 % of the time", **spans)
    return _round_of(runs.watchdog.tick)


def _hold_deadline() -> Act:
    worlds.held()
    Run.objects.update(state_since=timezone.now() - timedelta(days=30))
    return _round_of(runs.watchdog.tick)


def _web_outage() -> Act:
    Lease.objects.create(name=Lease.web_of("127.0.0.1"), web_seen_at=timezone.now() - timedelta(minutes=2))
    return _round_of(runs.watchdog.tick)


def _wake() -> Act:
    for number in (1, 2):
        worlds.queued(number)
    work.dispatch()
    return _round_of(pxe.wake.tick)


def _an_interval_later() -> None:
    """One that was counted and not sent is left out; the next one is due."""
    at = timezone.now() - timedelta(seconds=settings.VETTING.wake.interval_s)
    WakeRequest.objects.exclude(last_sent_at=None).update(last_sent_at=at)
    forget()


def _take_up_events() -> Act:
    worlds.held()
    return _round_of(notifications.outbox.tick)


def _deliver() -> Act:
    worlds.held()
    return _with_its_jobs(notifications.outbox.tick)


def _the_lease_runs_out() -> None:
    """A session that was killed leaves its lease, which another one takes 10 s later."""
    Lease.objects.exclude(until=None).update(until=timezone.now() - timedelta(seconds=1))
    shutil.rmtree(volatile.path(settings.PID_DIR), ignore_errors=True)
    forget()


def _minutes_later() -> None:
    """What was handed out and not begun is so long ago that it is handed out again; what failed is due again."""
    now = timezone.now()
    Job.objects.exclude(handed_at=None).update(handed_at=now - timedelta(minutes=10))
    Job.objects.exclude(started_at=None).update(started_at=now - timedelta(minutes=10))
    Job.objects.exclude(due_at=None).update(due_at=now)
    forget()


def _may_have_arrived_or_not(difference: str, fault: Fault | None) -> bool:
    """It is not sent again by a worker that died while it was being sent, or was told that its claim is lost; its row
    says so."""
    died = fault in (Fault.CUT, Fault.CUT_AFTER, Fault.KILLED, Fault.UNTOLD)
    return died and difference.startswith(("Delivery:", "messages: only without"))


def _report() -> Act:
    worlds.held()
    return _with_its_jobs(runs.reports.write.tick)


def _janitor() -> Act:
    talker = worlds.in_stage("SMART")
    runs.reports.write.write(worlds.run_of(talker))
    then = timezone.now() - timedelta(days=365)
    talker.log("long ago")
    lifecycle.cancel(worlds.run_of(talker), "admin")
    Run.objects.update(ended_at=then)
    Artifact.objects.update(created_at=then)
    folder = runs.retention.settings.RUNS_DIR / str(talker.run_id)
    for path in folder.iterdir():
        os.utime(path, (then.timestamp(), then.timestamp()))
    return _with_its_jobs(runs.retention.tick)


def _roll_up() -> Act:
    """Of two hosts, and of one of them once more, since a part was late."""
    talkers = [worlds.in_stage("SMART"), worlds.claimed(2)]
    for talker, seq in ((talkers[0], 1), (talkers[1], 1), (talkers[0], 2)):
        found = [wire.Measurement(1_000.0 * seq + n, "cpu", "CPU0", "temp", 40.0 + n, "C") for n in range(9)]
        talker.post("sensor", wire.SensorBatch(talker.boot_id, seq, found), wire.Accepted)
        if seq == 1:
            runs.rolling_up.roll_up_all()
    return _with_its_jobs(runs.rolling_up.tick)


def _bench_sample() -> Act:
    return _round_of(lambda: fitness.note(BenchShortage.CPU, Shortage("72 %", 1.2), timezone.now()))


def _dnsmasq_log() -> Act:
    worlds.queued()
    work.dispatch()
    mac = Run.objects.get().host.mac_list[0]
    text = RECORDED.read_text().replace("52:54:00:12:34:56", mac)
    Run.objects.update(started_at=timezone.now() - timedelta(hours=1))

    def tick() -> None:
        files = paths()
        files.make()
        files.log.parent.mkdir(parents=True, exist_ok=True)
        files.log.write_text(text)
        state = files.root / "dnsmasq.log.state.json"
        if not state.exists():
            state.write_text('{"inode": 0, "offset": 0}')
        dnsmasqlog.tick(None)

    return _round_of(tick)


def _session() -> Act:
    """It hands over to the next one; one that ends without breaks the chain. This machine leads, in the next session at
    the latest."""

    def act(done: Done) -> bool:
        if OrmQ.objects.exists() and Lease.objects.filter(name=Lease.ROUND).exclude(holder="").exists():
            return True
        OrmQ.objects.all().delete()  # as a worker takes what it begins
        with pytest.MonkeyPatch.context() as patch:
            for name in ("TICKS", "ON_EACH_MACHINE"):
                patch.setattr(rounds, name, ())
            for name, value in {"SESSION_S": 0.001, "ALONE_SESSION_S": 0.001, "INTERVAL_S": 0.0}.items():
                patch.setattr(rounds, name, value)
            rounds.session()
        return True

    return lambda done: bool(_survived(act, done))


def _survived(call: Callable[..., Any], *words: Any) -> Any:
    try:
        return call(*words)
    except DatabaseError:
        close_old_connections()
        return None


_TICKS: dict[str, Callable[[], Act]] = {
    "dispatch": _dispatch,
    "dispatch: a retry": _grant_retry,
    "dispatch: the link": _give_link,
    "dispatch: the link is lent": _lend_link,
    "dispatch: the bench is unfit": _wait_for_bench,
    "watchdog: boot": _boot_deadline,
    "watchdog: heartbeat": _heartbeat_deadline,
    "watchdog: stage": _stage_deadline,
    "watchdog: bench": _bench_deadline,
    "watchdog: hold": _hold_deadline,
    "watchdog: web": _web_outage,
    "messages: taken up": _take_up_events,
    "bench": _bench_sample,
    "dnsmasq's log": _dnsmasq_log,
}
SCENARIOS = [
    *(Scenario(f"tick: {name}", Caller.TICK, prepare) for name, prepare in _TICKS.items()),
    Scenario("tick: the round", Caller.TICK, _session, _the_lease_runs_out),
    Scenario("tick: wake", Caller.TICK, _wake, _an_interval_later),
    Scenario("job: messages", Caller.TICK, _deliver, _minutes_later, _may_have_arrived_or_not),
    Scenario("job: report", Caller.TICK, _report, _minutes_later),
    Scenario("job: janitor", Caller.TICK, _janitor, _minutes_later),
    Scenario("job: roll-up", Caller.TICK, _roll_up, _minutes_later),
]
