"""What the worker's round would do, for tests that need its effect."""

from __future__ import annotations

from collections.abc import Callable

from django.utils.module_loading import import_string
from django_q.models import OrmQ

from runs import dispatcher, jobs
from runs.dispatcher import LoopbackResult
from runs.models import Job


def dispatch(test_loopback: Callable[[], LoopbackResult] = LoopbackResult) -> None:
    """Starts runs in the free slots and gives the link to an attempt that waits for it. Without a test of the loopback
    the bench counts as fit."""
    dispatcher.start_runs()
    dispatcher.share_link(test_loopback)


def do_jobs() -> int:
    """Hands out and does every job that is due, some at once, as the round does. Returns how many tries there were."""
    tries = 0
    while begin():
        if not (done := do_queued()):
            raise AssertionError(f"in hand, and not in the queue: {Job.objects.values()}")
        tries += done
    return tries


def begin() -> int:
    """One look of the round. Returns how many jobs are in hand after it."""
    jobs.tick()
    return Job.objects.exclude(handed_at=None).count()


def do_queued() -> int:
    """Whatever lies in the queue, once."""
    queued = list(OrmQ.objects.order_by("id"))
    for row in queued:
        task = row.task
        row.delete()
        import_string(task["func"])(*task["args"])
    return len(queued)
