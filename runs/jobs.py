"""Jobs: work that takes longer than the worker's round may. The only module that calls django-q2.

A job is a row. When it is due, the round gives it to a worker process. One process always stays free for the round, and
at most one is busy with a long job, so that neither the round nor messages and wake-ups wait behind reports.

A try that raises, is killed, or takes too long has failed. After `most_tries` of them the job is put aside until
somebody asks for it again. A full disk or a locked database does not count as a try, if the job may be tried again: it
waits a minute.

Times are those of the database's clock, since several machines look after the same jobs.

django-q2 may start a try twice, after a process was killed. So each try has a number and begins once. A job that is
tried again may have done half of its work before, or all of it: the function that it calls must allow for that.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection, transaction
from django.db.models import F, Q
from django.utils.module_loading import import_string
from django_q.exceptions import TimeoutException
from django_q.tasks import async_task

from hosts.readable import readable
from runs.bench import faults, process
from runs.bench import problems as bench
from runs.bench.problems import Problem
from runs.database import clock, commits
from runs.models import Actor, Job, Run, RunEvent

log = logging.getLogger("vetting.jobs")
WORK = "runs.jobs.work"
AGAIN = "again"  # a call returns this if it has more to do than fits into one job
AGAIN_AFTER_S = (60.0, 300.0)
SOURCE = "jobs"
# A job that was handed out and has not begun after this time never will: the queue was lost with its processes.
_NOT_BEGUN_S = 60.0
_BEGINS_S = 5.0
# django-q2 ends a process 3 s after its time; its guard looks every second.
_GRACE_S = 15.0
_NAMED = 5
# How soon a statement is sent again that the database has refused.
_RECORD_AGAIN_S = 0.2


@dataclass(frozen=True)
class Kind:
    """A kind of job: `call(*args)` within `limit_s` seconds. `title` names it, such as "the report". A long job that
    was put aside can be asked for again; a short one can't, and its row is deleted after a week."""

    call: str
    title: str
    limit_s: int
    most_tries: int = 1
    is_long: bool = False


def enqueue(dotted: str, *args: object, limit_s: int | None = None) -> None:
    """Have a worker process call `dotted(*args)` now. Inside a transaction, the call is queued only if it commits. Only
    the round uses this; everything else asks for a job."""
    options: dict[str, Any] = {"save": False} | ({"timeout": limit_s} if limit_s else {})
    async_task(dotted, *args, q_options=options)


def ask(kind: Kind, *args: int | list[int], run_id: int | None = None) -> None:
    """Ask for a job. The same call with the same arguments is one job. If it waits or was put aside, it is due now,
    with all its tries. If it runs, it goes on."""
    fields = {
        "title": kind.title, "limit_s": kind.limit_s, "most_tries": kind.most_tries, "is_long": kind.is_long,
        "run_id": run_id, "due_at": clock.read(),
    }  # fmt: skip
    job, is_new = Job.objects.get_or_create(call=kind.call, args=json.dumps(args), defaults=fields)
    if not is_new:
        Job.objects.filter(pk=job.pk, handed_at=None).update(due_at=clock.read(), tries=0)


def is_wanted(kind: Kind, *args: int) -> bool:
    """Whether this job waits or is in hand; neither holds once it is done or was put aside."""
    job = Job.objects.filter(call=kind.call, args=json.dumps(args))
    return job.exclude(due_at=None, handed_at=None).exists()


def tick() -> None:
    """Note the tries whose process ended, hand out what is due while processes are free, report what was put aside."""
    if _is_any_left():
        now = clock.read()
        for job in Job.objects.exclude(handed_at=None):
            with faults.confined(f"Job {job.pk} ({job.title})"):
                _look_after(job, now)
        for job in _next_in_line(now):
            with faults.confined(f"Job {job.pk} ({job.title})"):
                _hand_out(job)
    bench.report(SOURCE, problems())


@commits.remembered
def _is_any_left() -> bool:
    """Whether a job waits or is in hand."""
    return Job.objects.exclude(due_at=None, handed_at=None).exists()


def work(job_id: int, number: int) -> str:
    """One try of a job, in a worker process. Two processes may get the same try:

    1. Read it. 2. Take it by its number; one process succeeds. 3. Call. 4. Delete the job, or note why it failed,
    unless the try was given up meanwhile. Step 4 is repeated while the database refuses it: else a try that succeeded
    would count as one that took too long.
    """
    mine = Job.objects.filter(pk=job_id, number=number).exclude(handed_at=None)
    job, holder = mine.filter(started_at=None).first(), process.mine()
    if job is None or mine.filter(started_at=None).update(started_at=clock.read(), holder=holder) != 1:
        return "no longer wanted"
    until = time.monotonic() + job.limit_s
    try:
        result = import_string(job.call)(*json.loads(job.args))
    except TimeoutException:
        connection.close()  # the call may be in the middle of a statement
        _failed(job, f"it was not done within {job.limit_s:.0f} s")
        raise
    except Exception as error:
        log.exception("job %s: try %s failed", job, number)
        used_up = until - time.monotonic() < job.limit_s / 2  # also for a query that was ended because it took too long
        counts, why = used_up or not faults.is_of_the_bench(error), f"{type(error).__name__}: {error}"[:500]
        save_outcome(partial(_failed, job, why, counts=counts), until)
        return "failed"
    save_outcome(partial(_done, job, is_over=result != AGAIN), until)
    return "done"


def save_outcome(write: Callable[[], object], until: float) -> None:
    """Call `write` until the database accepts it, since work outside the database can't be undone. Raises DatabaseError
    after `until` on the monotonic clock. `write` may run twice."""
    while True:
        try:
            write()
            return
        except DatabaseError:
            close_old_connections()
            if time.monotonic() > until:
                raise
            log.exception("the database refused to record what was done: trying again")
        time.sleep(_RECORD_AGAIN_S)


def _done(job: Job, *, is_over: bool) -> None:
    if is_over:
        _in_hand(job).delete()
    else:
        _in_hand(job).update(handed_at=None, started_at=None, due_at=clock.read(), tries=0, problem="")


@commits.remembered
def problems() -> list[Problem]:
    """The jobs that were put aside, for the pages and /healthz."""
    waiting = Job.objects.filter(due_at=None, handed_at=None)
    told = [_told(job) for job in waiting.select_related("run__host").only(*_TOLD).order_by("-failed_at")[:_NAMED]]
    if more := max(0, waiting.count() - _NAMED) if told else 0:
        told.append(Problem("bench", f"{more} more jobs were put aside", "the admin lists them under jobs"))
    return told


_TOLD = ("title", "tries", "is_long", "problem", "failed_at", "run__host__name")


def _told(job: Job) -> Problem:
    where = f" of run {job.run_id} ({job.run.host.name})" if job.run else ""
    what = f"{job.title}{where} failed {job.tries} time{'' if job.tries == 1 else 's'}: {job.problem[:200]}"
    once = "the admin has it under jobs: delete it there once it is dealt with"
    fix = 'press "Write the report again" on the page of the run' if job.run and job.is_long else once
    return Problem("bench", what[:1].upper() + what[1:], fix)


def _next_in_line(now: datetime) -> list[Job]:
    """The due jobs to hand out now to processes of this machine. A long one comes first if none runs here: the short
    ones have the other processes. A due time too far in the future counts as due: the clock was set back."""
    in_hand = Job.objects.exclude(handed_at=None).filter(holder__startswith=process.here())
    workers: int = settings.Q_CLUSTER["workers"]
    room = max(1, workers - 1) - in_hand.count()
    if room < 1:
        return []
    too_far = now + timedelta(seconds=2 * AGAIN_AFTER_S[-1])
    due = Job.objects.filter(Q(due_at__lte=now) | Q(due_at__gt=too_far), handed_at=None).order_by("due_at", "id")
    long = [] if in_hand.filter(is_long=True).exists() else due.filter(is_long=True)[:1]
    return [*long, *due.filter(is_long=False)[:room]][:room]


def _hand_out(job: Job) -> None:
    """Count the number of the try, then queue the call: two statements. If the second is lost, nobody begins the try,
    and it is handed out again. Two machines can do this at once: one of them counts the number."""
    mine = Job.objects.filter(pk=job.pk, number=job.number, handed_at=None)
    if mine.update(number=F("number") + 1, handed_at=clock.read(), started_at=None, holder=process.here()) == 1:
        enqueue(WORK, job.pk, job.number + 1, limit_s=job.limit_s)


def _look_after(job: Job, now: datetime) -> None:
    since_s = abs((now - (job.started_at or job.handed_at or now)).total_seconds())
    if job.started_at is None:
        if since_s > _NOT_BEGUN_S:
            _in_hand(job).filter(started_at=None).update(handed_at=None)
    elif since_s > job.limit_s + _GRACE_S or (process.is_gone(job.holder) and since_s > job.limit_s):
        _failed(job, f"it was not done within {job.limit_s} s, and its process was ended")
    elif process.is_gone(job.holder):
        _failed(job, f"its process was killed after {since_s:.0f} s")


@transaction.atomic
def _failed(job: Job, why: str, *, counts: bool = True) -> None:
    """Note a failed try and when the next one is due. After the last try, put the job aside."""
    may_wait, why = not counts and job.most_tries > 1, readable(why)  # an error may quote anything
    tries = job.tries + (not may_wait)
    is_put_aside, now = tries >= job.most_tries, clock.read()
    after_s = AGAIN_AFTER_S[min(max(tries, 1), len(AGAIN_AFTER_S)) - 1]
    noted = _in_hand(job).update(
        handed_at=None, started_at=None, tries=tries, problem=why, failed_at=now,
        due_at=None if is_put_aside else now + timedelta(seconds=after_s),
    )  # fmt: skip
    if noted != 1:
        return
    log.error("job %s failed (%s of %s): %s", job, tries, job.most_tries, why)
    if is_put_aside and job.run:
        _write_event(job, job.run, tries, why)


def _write_event(job: Job, run: Run, tries: int, why: str) -> None:
    state = run.state
    text = f"{job.title} was put aside after {tries} tr{'y' if tries == 1 else 'ies'}: {why}"
    RunEvent.objects.create(
        run=run, actor=Actor.WORKER, who="jobs", kind="job_put_aside", text=text,
        state_before=state, state_after=state,
    )  # fmt: skip


def nobody_begins() -> bool:
    """Whether a job was handed out and no process has begun it for seconds, though one must be free."""
    if not _is_any_left():
        return False
    late = clock.read() - timedelta(seconds=_BEGINS_S)
    return Job.objects.filter(handed_at__lt=late, started_at=None).exists()


def _in_hand(job: Job) -> Any:
    return Job.objects.filter(pk=job.pk, number=job.number).exclude(handed_at=None)
