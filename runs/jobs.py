"""The one seam to django-q2, and the work that takes longer than the worker's round may.

A job is a row; the round hands it to a worker process when it is due. One process is always left for the round, and one
at most is given to long jobs, so that neither the round nor messages and wake-ups wait behind reports. A try that
raises, is killed or runs out of time has failed; after `most_tries` of them the job is put aside until somebody asks
again. What a full disk or a locked database does to a job that may be tried again is no failure of it: it waits a
minute.

A try may be started twice (django-q2 starts a task again whose process was killed), so it has a number and begins once.
A job that is tried again may have done half of its work, or all of it: whoever is called makes that harmless.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import psutil
from django.conf import settings
from django.db import DatabaseError, OperationalError, close_old_connections, connection, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.module_loading import import_string
from django_q.exceptions import TimeoutException
from django_q.tasks import async_task

from hosts.readable import readable
from runs.bench import problems as bench
from runs.bench.problems import Problem
from runs.models import Actor, Job, RunEvent

log = logging.getLogger("vetting.jobs")
WORK = "runs.jobs.work"
AGAIN = "again"  # what a call returns that has more to do than fits into one job
AGAIN_AFTER_S = (60.0, 300.0)
SOURCE = "jobs"
# From here on nobody will begin what was handed out: the queue was lost with its cluster.
_NOT_BEGUN_S = 60.0
# django-q2 ends a process 3 s after its time; its guard looks every half second.
_GRACE_S = 15.0
_NAMED = 5
# How soon a statement is sent again that the database has refused.
_RECORD_AGAIN_S = 0.2
# The bench's own state: every job would meet it, and it passes without anybody asking again.
_BENCH_ERRNOS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE}
)


@dataclass(frozen=True)
class Kind:
    """What may be asked for: `call(*args)`, within `limit_s`. `title` says what it is, as in "the report". A long one
    that was put aside can be asked for again; a short one is over then, and its row goes after a week."""

    call: str
    title: str
    limit_s: int
    most_tries: int = 1
    is_long: bool = False


def enqueue(dotted: str, *args: object, limit_s: int | None = None) -> None:
    """Have a worker process call `dotted(*args)` now. Inside a transaction the call is queued only if it commits. For
    the round and for what it hands out; everything else is asked for as a job."""
    options: dict[str, Any] = {"save": False} | ({"timeout": limit_s} if limit_s else {})
    async_task(dotted, *args, q_options=options)


def ask(kind: Kind, *args: int | list[int], run_id: int | None = None) -> None:
    """Have the round hand this out. The same call with the same arguments is one job; where it waits or was put aside,
    it is due now and begins to count its tries anew. One that is in hand goes on."""
    fields = {
        "title": kind.title, "limit_s": kind.limit_s, "most_tries": kind.most_tries, "is_long": kind.is_long,
        "run_id": run_id, "due_at": timezone.now(),
    }  # fmt: skip
    job, is_new = Job.objects.get_or_create(call=kind.call, args=json.dumps(args), defaults=fields)
    if not is_new:
        Job.objects.filter(pk=job.pk, handed_at=None).update(due_at=timezone.now(), tries=0)


def tick() -> None:
    """Note the tries that died, hand out what is due while processes are free, tell what was put aside."""
    now = timezone.now()
    for job in Job.objects.exclude(handed_at=None):
        _look_after(job, now)
    for job in _next_in_line(now):
        _hand_out(job)
    bench.report(SOURCE, problems())


def work(job_id: int, number: int) -> str:
    """One try, in a worker process. Two processes can be given the same one:

    1. read it; 2. take it by its number, which one of them does; 3. call; 4. delete the job, or note why it failed,
    where the try was not given up meanwhile. What came of it is noted as soon as the database takes it: else a try
    that was done would be called one that took too long.
    """
    mine = Job.objects.filter(pk=job_id, number=number).exclude(handed_at=None)
    job, holder = mine.filter(started_at=None).first(), f"{socket.gethostname()}:{os.getpid()}"
    if job is None or mine.filter(started_at=None).update(started_at=timezone.now(), holder=holder) != 1:
        return "no longer wanted"
    until = time.monotonic() + job.limit_s
    try:
        result = import_string(job.call)(*json.loads(job.args))
    except TimeoutException:
        connection.close()  # whatever it was in the middle of
        _failed(job, f"it was not done within {job.limit_s:.0f} s")
        raise
    except Exception as error:
        log.exception("job %s: try %s failed", job, number)
        used_up = until - time.monotonic() < job.limit_s / 2  # also a query that was ended for its length
        counts, why = used_up or not _is_the_benchs(error), f"{type(error).__name__}: {error}"[:500]
        save_outcome(partial(_failed, job, why, counts=counts), until)
        return "failed"
    save_outcome(partial(_done, job, is_over=result != AGAIN), until)
    return "done"


def save_outcome(write: Callable[[], object], until: float) -> None:
    """What was done outside of the database can't be taken back: send `write` again where it is refused, until this
    time on the monotonic clock. Raises DatabaseError then. `write` may be carried out twice."""
    while True:
        try:
            write()
            return
        except DatabaseError:
            close_old_connections()
            if time.monotonic() > until:
                raise
            log.exception("the database does not take what was done: once more")
        time.sleep(_RECORD_AGAIN_S)


def _done(job: Job, *, is_over: bool) -> None:
    if is_over:
        _in_hand(job).delete()
    else:
        _in_hand(job).update(handed_at=None, started_at=None, due_at=timezone.now(), tries=0, problem="")


def problems() -> list[Problem]:
    """What was put aside, for the pages and /healthz."""
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
    """What is due, a long one first where none is in hand: the short ones have the other processes. A time that lies
    further ahead than anything waits is one of a clock that was set back."""
    in_hand = Job.objects.exclude(handed_at=None)
    room = max(1, settings.Q_CLUSTER["workers"] - 1) - in_hand.count()
    if room < 1:
        return []
    too_far = now + timedelta(seconds=2 * AGAIN_AFTER_S[-1])
    due = Job.objects.filter(Q(due_at__lte=now) | Q(due_at__gt=too_far), handed_at=None).order_by("due_at", "id")
    long = [] if in_hand.filter(is_long=True).exists() else due.filter(is_long=True)[:1]
    return [*long, *due.filter(is_long=False)[:room]][:room]


def _hand_out(job: Job) -> None:
    """The number is counted and the call queued in one statement each; where the second is lost, nobody begins it, and
    it is handed out again."""
    mine = Job.objects.filter(pk=job.pk, number=job.number, handed_at=None)
    if mine.update(number=F("number") + 1, handed_at=timezone.now(), started_at=None, holder="") == 1:
        enqueue(WORK, job.pk, job.number + 1, limit_s=job.limit_s)


def _look_after(job: Job, now: datetime) -> None:
    since_s = abs((now - (job.started_at or job.handed_at or now)).total_seconds())
    if job.started_at is None:
        if since_s > _NOT_BEGUN_S:
            _in_hand(job).filter(started_at=None).update(handed_at=None)
    elif since_s > job.limit_s + _GRACE_S or (_is_gone(job.holder) and since_s > job.limit_s):
        _failed(job, f"it was not done within {job.limit_s} s, and its process was ended")
    elif _is_gone(job.holder):
        _failed(job, f"its process was killed after {since_s:.0f} s")


def _is_gone(holder: str) -> bool:
    """Whether the process that began it is no more. Of another machine's nobody knows."""
    host, _, pid = holder.rpartition(":")
    return host == socket.gethostname() and not psutil.pid_exists(int(pid))


@transaction.atomic
def _failed(job: Job, why: str, *, counts: bool = True) -> None:
    """Note a failed try, and when the next one is due; none where they were enough."""
    may_wait, why = not counts and job.most_tries > 1, readable(why)  # an error may quote anything
    tries = job.tries + (not may_wait)
    is_put_aside, now = tries >= job.most_tries, timezone.now()
    after_s = AGAIN_AFTER_S[min(max(tries, 1), len(AGAIN_AFTER_S)) - 1]
    noted = _in_hand(job).update(
        handed_at=None, started_at=None, tries=tries, problem=why, failed_at=now,
        due_at=None if is_put_aside else now + timedelta(seconds=after_s),
    )  # fmt: skip
    if noted != 1:
        return
    log.error("job %s failed (%s of %s): %s", job, tries, job.most_tries, why)
    if is_put_aside and job.run_id:
        _write_event(job, tries, why)


def _write_event(job: Job, tries: int, why: str) -> None:
    state = job.run.state
    text = f"{job.title} was put aside after {tries} tr{'y' if tries == 1 else 'ies'}: {why}"
    RunEvent.objects.create(
        run_id=job.run_id, actor=Actor.WORKER, who="jobs", kind="job_put_aside", text=text,
        state_before=state, state_after=state,
    )  # fmt: skip


def _in_hand(job: Job) -> Any:
    return Job.objects.filter(pk=job.pk, number=job.number).exclude(handed_at=None)


def _is_the_benchs(error: Exception) -> bool:
    """A full disk, a locked database: no fault of the job's own data."""
    return isinstance(error, OperationalError) or (isinstance(error, OSError) and error.errno in _BENCH_ERRNOS)
