"""Waking hosts: reads WakeRequest rows, acts, and puts on record what came of it. Each way to wake is a file of
pxe/wake/drivers; one that is slow is called in a job of its own, not in the tick."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from hosts import wakemethods
from hosts.models import Host
from hosts.readable import readable
from hosts.wakemethods import WakeMethod
from pxe.wake import asked
from pxe.wake.drivers import DRIVERS
from pxe.wake.power import wake
from pxe.wake.shape import PROBLEM_CHARACTERS, Refused, Stop, WakeProblem
from runs import jobs, lifecycle
from runs.bench import faults
from runs.database import commits
from runs.machine import State
from runs.models import Actor, Run, Rung, WakeRequest
from runs.power import changed_since, two_with_one_device
from runs.querysets import DOCUMENTS
from runs.wording import remedies

# A host that was on when it was woken, as one that still powers off after a cancelled run, needs one more later.
LATER_INTERVAL_S = 60.0
# Some BMCs lock an account after a few refused logins.
MOST_REFUSALS = 2
# Who lets a run restart its host knows what runs on it now, and not what will run on it when a slot is free.
RESTART_WITHIN = timedelta(hours=1)
STOPPED = 'Not tried again, since it could lock the account: put it right, then press "Wake again".'
log = logging.getLogger("vetting.wake")
# A BMC is asked three or four times, for 20 s each at most.
SEND = jobs.Kind("pxe.wake.send", "waking the host", limit_s=85)


def tick() -> None:
    """Send what is due for every run that still waits for its machine, and do what was asked of hosts' power."""
    asked.tick()
    if not _somebody_is_to_be_woken():
        return
    for request in due(timezone.now()):
        if _method(request.run.host).slow:
            _ask(request)
        elif _claim(request):
            send(request.pk)


@commits.remembered
def _somebody_is_to_be_woken() -> bool:
    return Run.objects.filter(state=State.WAITING_WOL).exists()


def _method(host: Host) -> WakeMethod:
    """A host whose driver's file was removed is treated as any other: sending says what is wrong."""
    driver = DRIVERS.get(host.wake_method)
    return driver.METHOD if driver else WakeMethod("Unknown", "nothing", type(None))


@transaction.atomic
def _ask(request: WakeRequest) -> None:
    """Count the attempt and ask for its job, both in one transaction."""
    if _claim(request):
        jobs.ask(SEND, request.pk, run_id=request.run_id)


def due(now: datetime) -> QuerySet[WakeRequest]:
    """The requests to act on now. A person is asked once. A slow driver knows whether it worked, and is not called
    again after that. Where the login was refused twice, somebody must ask again."""
    config = settings.VETTING.wake
    soon, later = (timedelta(seconds=each) for each in (config.interval_s, max(config.interval_s, LATER_INTERVAL_S)))
    in_time = (
        Q(last_sent_at=None)
        | Q(sent__lt=config.repeat, last_sent_at__lte=now - soon)
        | Q(sent__gte=config.repeat, last_sent_at__lte=now - later)
        | Q(last_sent_at__gt=now)  # the clock was set back
    )
    by_hand = [name for name, method in wakemethods.every().items() if method.by_hand]
    slow = [name for name, method in wakemethods.every().items() if method.slow]
    waiting = WakeRequest.objects.filter(in_time, run__state=State.WAITING_WOL, refusals__lt=MOST_REFUSALS)
    return (
        waiting.exclude(run__host__wake_method__in=by_hand, sent__gt=0)
        .exclude(woken_at__isnull=False, run__host__wake_method__in=slow)
        .select_related("run__host")
        .defer(*(f"run__{name}" for name in DOCUMENTS))
        .order_by("id")
    )


def _claim(request: WakeRequest) -> bool:
    """Counted before it is sent: of two workers one gets it, and one that dies has at worst left one out."""
    mine = WakeRequest.objects.filter(pk=request.pk, sent=request.sent)
    return mine.update(sent=F("sent") + 1, last_sent_at=timezone.now()) == 1


def send(request_id: int) -> None:
    """Wake the host of this request now. A problem is kept on the request, told once, and tried again when due. An
    error that the driver did not expect is one, too."""
    request = WakeRequest.objects.select_related("run__host").get(pk=request_id)
    host = request.run.host
    if request.run.state != State.WAITING_WOL:
        return
    with faults.confined(f"Waking {host.name} (run {request.run_id})") as outcome:
        _send(request)
    if outcome.error:
        what = f"{host.name}: waking it failed, by a fault of ours ({type(outcome.error).__name__})"
        _tell(request, f"{what}: {remedies.log_of('worker')} says where; press the power button meanwhile")


def _send(request: WakeRequest) -> None:
    run = request.run
    try:
        done = readable(wake(run.host, restart=_leave_to_restart(request) if run.restart_if_on else None))
    except Refused as refused:
        refusals = request.refusals + refused.logins
        WakeRequest.objects.filter(pk=request.pk).update(refusals=refusals)
        stopped = f" {STOPPED}" if refusals >= MOST_REFUSALS else ""
        return _tell(request, f"{str(refused)[:PROBLEM_CHARACTERS]}{stopped}")
    except WakeProblem as problem:
        return _tell(request, str(problem))
    WakeRequest.objects.filter(pk=request.pk).update(problem="", woken_at=timezone.now())
    if _method(run.host).by_hand:
        lifecycle.note(run, "wake_by_hand", actor=Actor.WORKER, who="wake", text=done)
    else:
        lifecycle.record_rung(run, Rung.WAKE_SENT, done)


def _leave_to_restart(request: WakeRequest) -> Stop:
    return Stop(lambda: _no_restart(request.pk), lambda: _begin_restart(request.pk))


def _no_restart(request_id: int) -> str:
    """Why the host of this run is not restarted, as things are now, though the run was allowed to."""
    request = WakeRequest.objects.select_related("run__host").get(pk=request_id)
    run, host = request.run, request.run.host
    if run.state != State.WAITING_WOL or not run.restart_if_on:
        return "the run does not wait for it any more"
    if request.restarted_at:
        return "it was restarted once and has not booted from the network; restart it yourself"
    since = request.restart_allowed_at or run.created_at
    if abs(timezone.now() - since) > RESTART_WITHIN:
        what = f"who allowed this run to restart it did so at {since:%H:%M} UTC, and other guests may run on it by now"
        return f'{what}: press "Wake again" to allow it again'
    if why := changed_since(host, since):
        return f'{why}, by "Wake again"'
    return two_with_one_device(host)


def _begin_restart(request_id: int) -> bool:
    mine = WakeRequest.objects.filter(pk=request_id, restarted_at=None, run__state=State.WAITING_WOL)
    return mine.update(restarted_at=timezone.now()) == 1


def _tell(request: WakeRequest, problem: str) -> None:
    problem = readable(problem)[:400]  # what a BMC says may hold what no database takes
    log.error("run %s host %s: %s", request.run_id, request.run.host.name, problem)
    if WakeRequest.objects.filter(pk=request.pk).exclude(problem=problem).update(problem=problem):
        lifecycle.note(request.run, "wake_problem", actor=Actor.WORKER, who="wake", text=problem)
