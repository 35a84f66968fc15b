"""Who starts next: at most `dispatcher.max_concurrent` runs at once, first come first served; retries of held hosts
take a free slot too; the shared link has a queue of one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from runs import lifecycle
from runs.machine import NotAllowed
from runs.models import Lease, Run, StageRun
from runs.stages import STAGES
from runs.transition import Refused

log = logging.getLogger("vetting.dispatcher")
AGENT_GONE_AFTER = timedelta(seconds=30)


def tick() -> None:
    """One round: fill the free slots, then give the shared link to the run that has waited longest."""
    if free_slots() > 0:
        for run in [*Run.objects.waiting_to_retry(), *Run.objects.next_in_line()]:
            if run.retry_stage and not agent_is_there(run):
                continue
            if not start(run):
                break
    give_the_link()


def start(run: Run) -> bool:
    """Give the run a slot; False when there is none. Two workers can do this at once:

    1. Take turns. 2. Count the slots, which nobody else fills now. 3. Take one.
    """
    with taking_turns():
        if free_slots() < 1:
            return False
        _try(lifecycle.grant_retry if run.retry_stage else lifecycle.dispatch, run)
    return True


@contextmanager
def taking_turns() -> Iterator[None]:
    """A transaction in which no other worker hands out slots or the link: whoever lost the lease of the round in the
    middle of it may still be at work. (SQLite's transactions are IMMEDIATE and need no row lock.)"""
    with transaction.atomic():
        Lease.objects.select_for_update().filter(name=Lease.ROUND).first()
        yield


def free_slots() -> int:
    return settings.VETTING.dispatcher.max_concurrent - Run.objects.in_a_slot().count()


def agent_is_there(run: Run) -> bool:
    """A retry needs somebody to carry it out."""
    return run.last_seen is not None and timezone.now() - run.last_seen < AGENT_GONE_AFTER


def give_the_link() -> None:
    """Let one waiting run into the stage that uses the orchestrator's link, if nobody is in it."""
    names = [stage.name for stage in STAGES if stage.shares_link]
    here = StageRun.objects.filter(name__in=names, outcome="", run__state__in=names)
    if not here.filter(go_at=None).exists():
        return
    with taking_turns():
        waiting = here.filter(go_at=None).select_related("run").order_by("created_at").first()
        if waiting and not here.exclude(go_at=None).exists():
            _try(lifecycle.give_go, waiting.run)


def _try(call: Callable[[Run], None], run: Run) -> None:
    """Somebody may have been faster (cancelled it, say): the next round looks again."""
    try:
        call(run)
    except (Refused, NotAllowed) as error:
        log.info("run %s: %s", run.pk, error)
