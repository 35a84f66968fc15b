"""Work beside the round: handed out in number, tried again, put aside with its reason, asked for again."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.utils import timezone
from django_q.exceptions import TimeoutException
from django_q.models import OrmQ

from runs import jobs, reporting
from runs.bench import problems as bench
from runs.bench import process
from runs.database import clock
from runs.jobs import Kind
from runs.models import Job, Run, RunEvent
from runs.reports import write as report
from tests import rows
from tests.work import begin, do_jobs, do_queued

pytestmark = pytest.mark.django_db

SHORT = Kind("runs.reports.write.write_due", "a short one", limit_s=60)
LONG = Kind("runs.retention.sweep_a_while", "a long one", limit_s=60, most_tries=3, is_long=True)


def a_due_report(name: str = "node-1", mac: str = "52:54:00:00:00:01") -> Run:
    run = rows.a_run(rows.a_host(name, mac), report_due=True)
    report.tick()
    return run


def fails(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def write(run: Run) -> None:
        raise error

    monkeypatch.setattr(report, "write", write)


def is_due() -> None:
    Job.objects.exclude(due_at=None).update(due_at=timezone.now())


def test_jobs_leave_a_process_to_the_round_and_long_ones_leave_the_others_to_messages(settings: Any) -> None:
    settings.Q_CLUSTER = {**settings.Q_CLUSTER, "workers": 4}
    for number in range(6):
        jobs.ask(LONG, number)
        jobs.ask(SHORT, number)
    assert begin() == 3
    assert Job.objects.exclude(handed_at=None).filter(is_long=True).count() == 1
    assert begin() == 3
    assert OrmQ.objects.count() == 3


def test_of_two_processes_one_is_left_to_the_round(settings: Any) -> None:
    settings.Q_CLUSTER = {**settings.Q_CLUSTER, "workers": 2}
    for number in range(3):
        jobs.ask(SHORT, number)
    assert begin() == 1


def test_the_same_call_is_one_job_and_one_in_hand_goes_on() -> None:
    for _ in range(3):
        jobs.ask(SHORT, 1)
    begin()
    jobs.ask(SHORT, 1)
    begin()
    assert (Job.objects.get().number, OrmQ.objects.count()) == (1, 1)


def test_a_try_begins_once_however_often_the_queue_starts_it() -> None:
    jobs.ask(SHORT, 1)
    begin()
    job = Job.objects.get()
    Job.objects.update(started_at=timezone.now())
    assert jobs.work(job.pk, job.number) == "no longer wanted"
    assert jobs.work(job.pk, job.number + 1) == "no longer wanted"
    assert Job.objects.exists()


def test_a_report_that_fails_is_tried_three_times_and_put_aside_with_its_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fails(monkeypatch, ValueError("no such colour"))
    run = a_due_report()
    for tries in (1, 2, 3):
        assert do_jobs() == 1
        assert Job.objects.get().tries == tries
        is_due()
        report.tick()
    assert do_jobs() == 0
    job = Job.objects.get()
    assert job.is_put_aside and job.problem == "ValueError: no such colour"
    event = RunEvent.objects.get(run=run, kind="job_put_aside")
    assert event.text == "the report was put aside after 3 tries: ValueError: no such colour"
    problem = bench.problems("jobs")[0]
    assert problem.what == f"The report of run {run.pk} (node-1) failed 3 times: ValueError: no such colour"
    run.refresh_from_db()
    assert run.report_due


@pytest.mark.django_db(transaction=True)
def test_one_that_runs_out_of_time_has_failed_and_its_process_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    fails(monkeypatch, TimeoutException("100 s"))
    a_due_report()
    begin()
    with pytest.raises(TimeoutException):
        do_queued()
    job = Job.objects.get()
    assert (job.tries, job.problem, job.handed_at) == (1, "it was not done within 100 s", None)


@pytest.mark.parametrize(
    ("began_s", "why"),
    [(20, "its process was killed after 20 s"), (103, "it was not done within 100 s, and its process was ended")],
)
def test_one_whose_process_is_gone_has_failed(began_s: int, why: str) -> None:
    a_due_report()
    begin()
    holder = f"{process.here()}{2**22 + 1}/1"  # beyond the highest pid that Linux gives
    Job.objects.update(holder=holder, started_at=timezone.now() - timedelta(seconds=began_s))
    begin()
    job = Job.objects.get()
    assert (job.tries, job.problem) == (1, why)
    do_queued()
    assert Job.objects.get().tries == 1  # what django-q2 starts again has no effect


def test_what_nobody_began_is_handed_out_again_and_has_not_failed() -> None:
    a_due_report()
    begin()
    OrmQ.objects.all().delete()
    Job.objects.update(handed_at=timezone.now() - timedelta(seconds=90))
    assert do_jobs() == 1
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), OperationalError("database is locked")]
)
def test_a_full_disk_or_a_locked_database_puts_no_report_aside(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails(monkeypatch, error)
    run = a_due_report()
    for _ in range(5):
        assert do_jobs() == 1
        is_due()
    assert Job.objects.get().tries == 0
    assert bench.problems("jobs") == []
    monkeypatch.undo()
    assert do_jobs() == 1
    run.refresh_from_db()
    assert not run.report_due


def test_one_that_used_up_its_time_in_the_database_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite says no more than "interrupted" of a query that was ended for its length."""
    fails(monkeypatch, OperationalError("interrupted"))
    a_due_report()
    moments = iter([0.0, 59.0])
    clock = SimpleNamespace(monotonic=lambda: next(moments, 60.0), sleep=time.sleep)
    monkeypatch.setattr(jobs, "time", clock)  # others look at the clock, too
    assert do_jobs() == 1
    assert Job.objects.get().tries == 1


@pytest.mark.parametrize("again", [reporting.want, lambda run: None])
def test_one_put_aside_is_written_once_somebody_asks_again(
    again: Callable[[Run], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = a_due_report()
    Job.objects.update(due_at=None, tries=3, problem="x")
    again(run)
    report.tick()
    assert do_jobs() == (again is reporting.want)
    assert Job.objects.exists() is (again is not reporting.want)


def test_a_clock_that_was_set_back_holds_up_no_job() -> None:
    a_due_report()
    Job.objects.update(due_at=timezone.now() + timedelta(hours=5))
    assert do_jobs() == 1


def test_five_are_named_and_the_others_counted() -> None:
    for number in range(8):
        Job.objects.create(call="x", args=f"[{number}]", title="a message", limit_s=1, problem="no route")
    begin()
    told = bench.problems("jobs")
    assert len(told) == 6 and told[-1].what == "3 more jobs were put aside"


class _Refuses:
    """Each statement of one kind on the jobs, so many times."""

    def __init__(self, verb: str, times: int, of: str = "") -> None:
        self.verb, self.times, self.of = verb, times, of

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if self.times and sql.startswith(self.verb) and '"runs_job"' in sql and self.of in ("", *params):
            self.times -= 1
            raise OperationalError("database is locked")
        return execute(sql, params, many, context)


@pytest.mark.django_db(transaction=True)
def test_what_was_done_is_on_record_although_the_database_refuses_for_a_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jobs, "_RECORD_AGAIN_S", 0.0)
    run = a_due_report()
    begin()
    with connection.execute_wrapper(refuses := _Refuses("DELETE", 3)):
        do_queued()
    assert refuses.times == 0
    assert not Job.objects.exists()
    assert not run.events.filter(kind="job_put_aside").exists()


@pytest.mark.django_db(transaction=True)
def test_why_it_failed_is_on_record_although_the_database_refuses_for_a_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jobs, "_RECORD_AGAIN_S", 0.0)
    fails(monkeypatch, ValueError("no such colour"))
    a_due_report()
    begin()

    with connection.execute_wrapper(refuses := _Refuses("UPDATE", 2, of="ValueError: no such colour")):
        do_queued()
    assert refuses.times == 0
    assert Job.objects.get().problem == "ValueError: no such colour"


def test_a_try_that_could_not_be_read_has_not_begun() -> None:
    """Else it would be called one that took too long, although nothing was done."""
    a_due_report()
    begin()
    with connection.execute_wrapper(_Refuses("SELECT", 1)), pytest.raises(OperationalError):
        do_queued()
    assert Job.objects.get().started_at is None


def test_a_reason_that_no_database_takes_is_made_readable(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An error quotes what it met: PostgreSQL takes no NUL, and nobody takes half a character."""
    caplog.set_level(logging.CRITICAL + 1, "vetting.jobs")  # pytest-xdist takes no half a character either
    a_due_report()
    fails(monkeypatch, ValueError("a\0b \ud800"))
    do_jobs()
    assert Job.objects.get().problem == "ValueError: ab \\ud800"


def test_a_machine_whose_clock_is_wrong_takes_no_job_from_another(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs.ask(SHORT, 1)
    Job.objects.update(handed_at=clock.read(), started_at=clock.read(), number=1, holder="another/1/2")
    theirs = timezone.now
    monkeypatch.setattr(clock, "read", theirs)
    monkeypatch.setattr(timezone, "now", lambda: theirs() + timedelta(minutes=10))
    jobs.tick()
    job = Job.objects.get()
    assert (job.tries, job.problem) == (0, "") and job.handed_at is not None
