"""An error of ours at one run, message or job concerns that one: the rows behind it get their turn, and it is told."""

from __future__ import annotations

import errno
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from hosts.models import Host
from notifications import outbox
from notifications.models import Notice
from runs import dispatcher, jobs, lifecycle, outages, watchdog
from runs.bench import faults
from runs.bench import problems as bench
from runs.dispatcher import LoopbackResult
from runs.machine import State
from runs.models import Job, Run
from tests import factories, work
from tests.rows import a_host, a_run, an_event
from tests.statements import worlds

pytestmark = pytest.mark.django_db


def two_hosts() -> list[Host]:
    return [a_host("bad", "52:54:00:00:07:01"), a_host("good", "52:54:00:00:07:02")]


def told() -> list[str]:
    """What the pages say after the round."""
    faults.tick()
    return [problem.what for problem in bench.problems(faults.SOURCE)]


def fails_at(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, run_id: int, error: Exception) -> None:
    """`module.name` raises this for one run."""
    real: Callable[..., Any] = getattr(module, name)

    def call(run: Any, *args: Any, **more: Any) -> Any:
        if getattr(run, "run_id", getattr(run, "pk", None)) == run_id:
            raise error
        return real(run, *args, **more)

    monkeypatch.setattr(module, name, call)


def test_a_retry_whose_inventory_nobody_can_read_is_taken_back_and_the_queue_goes_on() -> None:
    """Its inventory was sent to an older version, which knew another field."""
    held = worlds.run_of(worlds.held())
    Run.objects.filter(pk=held.pk).update(inventory=held.inventory | {"no_longer_known": 1}, last_seen=timezone.now())
    lifecycle.ask_retry(held, State.SPEC_VALIDATE, "admin")
    queued = lifecycle.start_run(a_host("next", "52:54:00:00:07:01"), profile_name="quick")
    work.dispatch()
    queued.refresh_from_db()
    held.refresh_from_db()
    assert (queued.state, held.state, held.retry_stage) == (State.WAITING_WOL, State.FAILED_HOLDING, "")
    line = held.events.get(kind="retry_failed")
    assert "no_longer_known" in line.text
    assert [f"The start of run {held.pk} ({held.host.name}) failed" in what for what in told()] == [True]


def test_a_retry_that_this_machines_full_disk_stops_waits_on(monkeypatch: pytest.MonkeyPatch) -> None:
    held = worlds.run_of(worlds.held())
    Run.objects.filter(pk=held.pk).update(last_seen=timezone.now())
    lifecycle.ask_retry(held, State.SPEC_VALIDATE, "admin")
    fails_at(monkeypatch, lifecycle, "grant_retry", held.pk, OSError(errno.ENOSPC, "No space left on device"))
    work.dispatch()
    assert Run.objects.get(pk=held.pk).retry_stage == State.SPEC_VALIDATE
    assert told() == [f"The start of run {held.pk} ({held.host.name}) failed: No space left on device"]


def test_a_queued_run_that_cannot_start_keeps_no_other_from_starting(monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = (a_run(host, state=State.QUEUED, verdict="") for host in two_hosts())
    fails_at(monkeypatch, lifecycle, "dispatch", bad.pk, KeyError("stages"))
    work.dispatch()
    assert [Run.objects.get(pk=run.pk).state for run in (bad, good)] == [State.QUEUED, State.WAITING_WOL]
    assert len(told()) == 1


def test_an_attempt_that_cannot_get_the_link_leaves_it_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = factories.waiting_for_link(), factories.waiting_for_link()
    fails_at(monkeypatch, lifecycle, "give_go", bad.pk, KeyError("bench"))
    dispatcher.share_link(LoopbackResult)
    assert [run.stage_runs.get(outcome="").go_at is not None for run in (bad, good)] == [False, True]
    assert f"run {bad.pk}" in told()[0]


def test_a_deadline_that_cannot_be_looked_at_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    long_ago = timezone.now() - timedelta(hours=2)
    fields = {"state": State.BOOTING, "verdict": "", "boot": 1, "started_at": long_ago, "boot_deadline": long_ago}
    bad, good = (a_run(host, **fields) for host in two_hosts())
    fails_at(monkeypatch, watchdog, "_end_boot", bad.pk, ValueError("a part without a name"))
    monkeypatch.setattr(outages, "look_at_web", lambda: None)
    watchdog.tick()
    assert [Run.objects.get(pk=run.pk).is_over for run in (bad, good)] == [False, True]
    assert f"run {bad.pk}" in told()[0]


def test_a_message_that_cannot_be_taken_up_is_left_out_and_the_next_one_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    events = [an_event(a_run(host), tells="StageFailed") for host in two_hosts()]
    fails_at(monkeypatch, outbox, "_take_up", events[0].run_id, KeyError("severity"))
    outbox.tick()
    assert list(Notice.objects.values_list("event", flat=True)) == [events[1].pk]
    assert f"event {events[0].pk}" in told()[0]


def test_a_job_that_cannot_be_looked_after_keeps_no_other_from_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs.ask(jobs.Kind("time.time", "the time", limit_s=5), 1)
    Job.objects.update(handed_at=timezone.now(), holder="nobody")
    jobs.ask(jobs.Kind("time.time", "the time", limit_s=5), 2)

    def fails(job: Job, now: Any) -> None:
        raise TypeError("no number")

    monkeypatch.setattr(jobs, "_look_after", fails)
    jobs.tick()
    assert Job.objects.exclude(handed_at=None).count() == 2
    assert len(told()) == 1


def test_a_database_that_is_locked_is_nobodys_fault_and_stops_the_tick() -> None:
    with pytest.raises(OperationalError), faults.confined("The start of run 1"):
        raise OperationalError("database is locked")
    assert told() == []


def test_a_fault_is_told_once_a_minute_in_the_log_and_no_longer_once_it_is_over(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = [100.0]
    monkeypatch.setattr(faults, "_clock", lambda: now[0])
    for _ in range(90):
        with faults.confined("The start of run 1") as outcome:
            raise KeyError("x")
        assert isinstance(outcome.error, KeyError)
        now[0] += 1
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 2
    assert told() == ["The start of run 1 failed, by a fault of ours (KeyError)"]
    now[0] += faults.KEPT_S
    assert told() == []


def test_what_this_machine_refuses_is_told_as_such() -> None:
    with faults.confined("The copy of ipxe.efi for TFTP"):
        raise PermissionError(errno.EACCES, "Permission denied", "/opt/vetting/image/ipxe/ipxe.efi")
    assert told() == ["The copy of ipxe.efi for TFTP failed: /opt/vetting/image/ipxe/ipxe.efi: Permission denied"]


def test_of_many_faults_some_are_named_and_the_others_counted() -> None:
    for number in range(faults.NAMED + 3):
        with faults.confined(f"The start of run {number}"):
            raise KeyError(number)
    assert len(said := told()) == faults.NAMED + 1
    assert said[-1] == "3 more things failed"
