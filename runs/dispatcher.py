"""Which run starts next, and which attempt may use the bench's link.

At most `dispatcher.max_concurrent` runs work at once, in the order in which they were queued. A retry of a held host
takes a slot too. One attempt at a time has the link of its site. Runs are started by the machine that leads; each
machine gives its own link.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from runs import lifecycle, stage_rows
from runs.bench import faults, fitness
from runs.database import commits
from runs.machine import NotAllowed
from runs.models import Lease, Run, StageRun
from runs.stages import BY_NAME, LENT_S, STAGES
from runs.transition import Refused

log = logging.getLogger("vetting.dispatcher")
# A retry needs the host's agent. It is not started if the agent was last heard of longer ago than this.
AGENT_GONE_AFTER = timedelta(seconds=30)
# Queued runs to look at beyond the free slots: some can't start now.
LOOK_AHEAD = 20


class LoopbackResult(NamedTuple):
    """A throughput test of the bench over its own loopback. `why` says why the bench can't measure, empty if it can.
    `words` says what was measured."""

    why: str = ""
    words: str = ""


@commits.remembered
def _somebody_waits() -> bool:
    return Run.objects.waiting_for_a_slot().exists()


def start_runs() -> None:
    """Fill the free slots."""
    if (free := free_slots()) > 0 and _somebody_waits():
        retries = Run.objects.waiting_to_retry().filter(last_seen__gt=timezone.now() - AGENT_GONE_AFTER)
        for waiting in (retries, Run.objects.next_in_line()):
            first = waiting.light().select_related("host")[: free + LOOK_AHEAD]
            if not all(_start(run) for run in first):
                break


def _start(run: Run) -> bool:
    """The same as `start`. An error of ours keeps no other run from starting. A retry is taken back then, so that the
    operator learns of it and chooses again; but not because of this machine's disk, which may have room again soon."""
    with faults.confined(f"The start of run {run.pk} ({run.host.name})") as outcome:
        return start(run)
    if run.retry_stage and outcome.error and not faults.is_of_the_bench(outcome.error):
        _try(lifecycle.take_back_retry, run, why=f"{type(outcome.error).__name__}: {outcome.error}")
    return True


def share_link(test_loopback: Callable[[], LoopbackResult]) -> None:
    """Give this site's link to the run that has waited longest. `test_loopback` measures the bench; it takes a second,
    and is called only where a stage is about to start."""
    at_the_link = [BY_NAME[name] for name in _at_the_link()]
    if any(stage.shares_link for stage in at_the_link):
        give_the_link(test_loopback)
    elif at_the_link:
        lend_the_link()


@commits.remembered
def _at_the_link() -> frozenset[str]:
    """The stages at our site that measure with the link or may borrow it."""
    names = [stage.name for stage in STAGES if stage.shares_link or stage.borrows_link]
    return frozenset(_running(names).values_list("name", flat=True))


def start(run: Run) -> bool:
    """Give the run a slot; False if there is none. Two workers can do this at once:

    1. Lock. 2. Count the free slots. 3. Take one.
    """
    with taking_turns():
        if free_slots() < 1:
            return False
        grant = lifecycle.grant_retry if run.retry_stage else lifecycle.dispatch
        _try(grant, run, slots=settings.VETTING.dispatcher.max_concurrent)
    return True


@contextmanager
def taking_turns() -> Iterator[None]:
    """A transaction in which no other worker gives out slots or a link. Needed because a worker that lost the round's
    lease may still be at work, and because each machine gives its own link. (SQLite's transactions are IMMEDIATE and
    need no row lock.)"""
    with transaction.atomic():
        row = Lease.objects.select_for_update().filter(name=Lease.ROUND)
        if row.first() is None:
            Lease.objects.get_or_create(name=Lease.ROUND)
            row.get()
        yield


def free_slots() -> int:
    return settings.VETTING.dispatcher.max_concurrent - _taken_slots()


@commits.remembered
def _taken_slots() -> int:
    return Run.objects.in_a_slot().count()


def give_the_link(test_loopback: Callable[[], LoopbackResult]) -> None:
    """Let one waiting attempt use the link alone, if no other has it and the bench can measure."""
    names = [stage.name for stage in STAGES if stage.shares_link]
    here = _running(names)
    if not here.filter(go_at=None).exists() or here.exclude(go_at=None).exists() or lent().exists():
        return
    next_up = here.filter(go_at=None).select_related("run").order_by("created_at")
    starved = fitness.starved_now()
    if not starved and (first := next_up.first()) and (busy := _busy_for(first)):
        _try(lifecycle.wait_for_bench, first.run, why=busy)
        return
    bench = LoopbackResult(starved) if starved else test_loopback()
    with taking_turns():
        if not here.exclude(go_at=None).exists() and not lent().exists():
            _grant_link_to_first(next_up, bench)


def lend_the_link() -> None:
    """Lend the link for a short time to an attempt that can use it but does not need it (Burn).

    Only while no attempt measures or waits to measure, and the bench has CPU to spare. The attempt that had it longest
    ago comes first.

    1. Lock. 2. Check that nobody needs the link. 3. Write until when it is lent.
    """
    if lent().exists() or fitness.starved_now():
        return
    with taking_turns():
        measuring = _running([stage.name for stage in STAGES if stage.shares_link])
        if measuring.exists() or lent().exists():
            return
        at_work = _running([stage.name for stage in STAGES if stage.borrows_link]).exclude(go_at=None)
        if first := at_work.order_by(F("link_until").asc(nulls_first=True), "pk").first():
            until = timezone.now() + timedelta(seconds=LENT_S)
            StageRun.objects.filter(pk=first.pk).update(link_until=until)


def _running(names: list[str]) -> QuerySet[StageRun]:
    """Attempts of these stages at our site that run, or wait for their go."""
    return StageRun.objects.filter(name__in=names, outcome="", run__state__in=names, run__site__in=_sites())


def _sites() -> tuple[str, ...]:
    """The sites whose runs this machine handles: its own, and no site, as runs of older versions have."""
    return settings.VETTING.web.address, ""


def lent() -> QuerySet[StageRun]:
    """Attempts that have our site's link on loan now. No loan ends later than in LENT_S: then the clock was set back,
    and the loan is over."""
    now = timezone.now()
    lasting = StageRun.objects.filter(link_until__gt=now, link_until__lte=now + timedelta(seconds=LENT_S))
    return lasting.filter(outcome="", run__site__in=_sites())


def _grant_link_to_first(waiting: QuerySet[StageRun], bench: LoopbackResult) -> None:
    """Give the link to the first attempt that waits. If that fails by an error of ours, try the next one."""
    failed: list[int] = []
    while attempt := waiting.exclude(pk__in=failed).first():
        with faults.confined(f"The link for run {attempt.run_id}"), transaction.atomic():
            return _grant_link(attempt, bench)
        failed.append(attempt.pk)


def _grant_link(waiting: StageRun, bench: LoopbackResult) -> None:
    """Give the waiting attempt the link, if the bench can measure. Else it waits, but not for ever.

    After the wait, a first attempt starts all the same: what passes on a poor bench has passed. If the bench has made
    earlier attempts unfit, the stage is left not tested. A port that is too slow does not pass by itself, so a first
    attempt does not wait for it.
    """
    unfit = stage_rows.unfit_attempts_before(waiting)
    why = bench.why or (fitness.poor_port_now() if unfit else "")
    if not why:
        _try(lifecycle.give_go, waiting.run, why=bench.words)
    elif not _has_waited(waiting):
        _try(lifecycle.wait_for_bench, waiting.run, why=why)
    elif unfit:
        _try(lifecycle.leave_untested, waiting.run, why=why)
    else:
        _try(lifecycle.give_go, waiting.run, why=f"waited as long as it may; the bench is still {why}")


def _busy_for(waiting: StageRun) -> str:
    """Why a repeated attempt waits for a calmer bench; empty if it need not wait."""
    if not stage_rows.unfit_attempts_before(waiting) or _has_waited(waiting):
        return ""
    return fitness.busy_now()


def _has_waited(waiting: StageRun) -> bool:
    longest = timedelta(seconds=settings.VETTING.bench.calm_wait_s)
    if waiting.bench_since is None:
        return not longest
    waited = timezone.now() - waiting.bench_since
    return waited >= longest or waited < timedelta()  # then the clock was set back


def _try(call: Callable[..., None], run: Run, **more: str | int) -> None:
    """The run may have changed meanwhile (cancelled, for example): then the next round looks again."""
    try:
        call(run, **more)
    except (Refused, NotAllowed) as error:
        log.info("run %s: %s", run.pk, error)
