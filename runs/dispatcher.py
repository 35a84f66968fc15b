"""Who starts next: at most `dispatcher.max_concurrent` runs at once, first come first served; retries of held hosts
take a free slot too; the shared link has a queue of one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from runs import lifecycle
from runs.machine import NotAllowed
from runs.models import Run, StageRun
from runs.stages import STAGES
from runs.transition import Refused

log = logging.getLogger("vetting.dispatcher")
AGENT_GONE_AFTER = timedelta(seconds=30)


def tick() -> None:
    """One round: fill the free slots, then give the shared link to the run that has waited longest."""
    for run in [*Run.objects.waiting_to_retry(), *Run.objects.next_in_line()]:
        if free_slots() < 1:
            break
        if run.retry_stage and not agent_is_there(run):
            continue
        _try(lifecycle.grant_retry if run.retry_stage else lifecycle.dispatch, run)
    give_the_link()


def free_slots() -> int:
    return settings.VETTING.dispatcher.max_concurrent - Run.objects.in_a_slot().count()


def agent_is_there(run: Run) -> bool:
    """A retry needs somebody to carry it out."""
    return run.last_seen is not None and timezone.now() - run.last_seen < AGENT_GONE_AFTER


def give_the_link() -> None:
    """Let one waiting run into the stage that uses the orchestrator's link, if nobody is in it."""
    names = [stage.name for stage in STAGES if stage.shares_link]
    here = StageRun.objects.filter(name__in=names, outcome="", run__state__in=names)
    if here.exclude(go_at=None).exists():
        return
    if waiting := here.filter(go_at=None).select_related("run").order_by("created_at").first():
        _try(lifecycle.give_go, waiting.run)


def _try(call: Callable[[Run], None], run: Run) -> None:
    """Somebody may have been faster (cancelled it, say): the next round looks again."""
    try:
        call(run)
    except (Refused, NotAllowed) as error:
        log.info("run %s: %s", run.pk, error)
