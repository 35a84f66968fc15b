"""Does what was asked of a host's power (PowerRequest), each in a job of its own, and notes what came of it."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from hosts import wakemethods
from hosts.readable import readable
from hosts.wakemethods import STOPPING, Verb
from pxe.wake import power
from pxe.wake.shape import Refused, WakeProblem
from runs import jobs, lifecycle
from runs.bench import faults
from runs.database import commits
from runs.machine import State
from runs.models import Actor, PowerReason, PowerRequest, Run
from runs.power import why_not

DO = jobs.Kind("pxe.wake.asked.do", "the power of a host", limit_s=85)
# A host that hung may by and by boot its own disk: it is power-cycled soon, or not at all.
HUNG_WITHIN = timedelta(seconds=120)
# Who asks to stop a host knows what runs on it now, and not what will run on it when a stopped worker is back.
STOPPED_WITHIN = timedelta(seconds=120)
READ_AGAIN = timedelta(seconds=60)
MOST_READS = 10


def tick() -> None:
    if not _is_any_left():
        return
    for request in PowerRequest.objects.filter(done_at=None, due_at__lte=timezone.now()).order_by("id"):
        _ask(request)


@commits.remembered
def _is_any_left() -> bool:
    return PowerRequest.objects.filter(done_at=None, due_at__isnull=False).exists()


@transaction.atomic
def _ask(request: PowerRequest) -> None:
    """Counted before it is done: of two workers one gets it, and one that dies has at worst left it out."""
    mine = PowerRequest.objects.filter(pk=request.pk, tries=request.tries, done_at=None)
    if mine.update(tries=F("tries") + 1, due_at=None) == 1:
        jobs.ask(DO, request.pk, run_id=request.run_id)


def do(request_id: int) -> None:
    request = PowerRequest.objects.select_related("host", "run__host").filter(pk=request_id, done_at=None).first()
    if request is None:
        return
    with faults.confined(f"The power of {request.host.name}") as outcome:
        {PowerReason.ASKED: _asked, PowerReason.HUNG: _hung, PowerReason.AFTER: _after}[PowerReason(request.reason)](
            request
        )
    if outcome.error:
        _over(
            request, f"{request.host.name}: it failed, by a fault of ours ({type(outcome.error).__name__})", failed=True
        )


def _asked(request: PowerRequest) -> None:
    if why := _not_any_more(request):
        said, failed = f"not done: {why}", True
    else:
        try:
            said, failed = power.act(request.host, Verb(request.verb)), False
        except WakeProblem as problem:
            said, failed = str(problem), True
    _over(request, said, failed=failed)
    if request.run is not None:
        text = f"{wakemethods.WORDS[Verb(request.verb)]}: {said}"
        lifecycle.note(request.run, "power", actor=Actor.OPERATOR, who=request.who, text=text)


def _not_any_more(request: PowerRequest) -> str:
    """Why a verb that stops the host is not done now, though it could be when it was asked for."""
    if Verb(request.verb) not in STOPPING:
        return ""
    late = timezone.now() - request.asked_at
    if late > STOPPED_WITHIN:
        return f"the worker came to it {late.total_seconds():.0f} s later; ask again if it is still meant"
    return why_not(request.host, Verb(request.verb))


def _hung(request: PowerRequest) -> None:
    """Power-cycle the host that hung, and have it boot from the network. It is not done if the host was heard of since,
    or if it is too late."""
    run = request.run
    assert run is not None, "only a run's host hangs"
    if why := _better_not(request, run):
        said, failed = f"not power-cycled: {why}", True
    else:
        try:
            said, failed = f"the host hung and was power-cycled: {power.cycle_to_network(run.host)}", False
        except WakeProblem as problem:
            said, failed = f"not power-cycled: {problem}", True
    _over(request, said, failed=failed)
    kind = "power_cycle_failed" if failed else "power_cycled"
    lifecycle.note(run, kind, actor=Actor.WATCHDOG, who="watchdog", text=said)


def _better_not(request: PowerRequest, run: Run) -> str:
    if Verb.CYCLE not in wakemethods.verbs(run.host.wake_method, run.host.wake_options):
        return f"{wakemethods.title(run.host.wake_method)} has no power cycle"
    is_back = run.rungs.filter(at__gt=request.asked_at).exists()
    if run.state != State.FAILED or is_back or (run.last_seen and run.last_seen > request.asked_at):
        return "the host was heard of again"
    late = timezone.now() - request.asked_at
    if late > HUNG_WITHIN:
        return f"the worker came to it {late.total_seconds():.0f} s later, when the host may have booted its own disk"
    return ""


def _after(request: PowerRequest) -> None:
    """Whether the host is off after its run. One that is on is asked again for some minutes: powering off takes a
    while."""
    run = request.run
    assert run is not None, "a run is over"
    try:
        is_on, problem, refused = power.is_on(run.host), "", False
    except WakeProblem as error:
        is_on, problem, refused = None, str(error), isinstance(error, Refused)
    if Verb.STATUS not in wakemethods.verbs(run.host.wake_method, run.host.wake_options):
        return _over(request, f"not known: {wakemethods.title(run.host.wake_method)} can't read it")
    if is_on is False:
        return _over(request, "off")
    if is_on and (since := run.left_to_disk_at):
        return _over(request, f"on, and sent to its own disk at {since:%H:%M:%S} UTC")
    if Run.objects.busy_on(run.host):
        return _over(request, "not known: another run of this host has begun")
    if request.tries < MOST_READS and not refused:
        return _again(request)
    if is_on:
        return _over(
            request, f"still on {(timezone.now() - request.asked_at).total_seconds() / 60:.0f} minutes after the end"
        )
    _over(request, f"not known: {problem or 'the device does not say'}")


def _again(request: PowerRequest) -> None:
    PowerRequest.objects.filter(pk=request.pk).update(due_at=timezone.now() + READ_AGAIN)


def _over(request: PowerRequest, said: str, *, failed: bool = False) -> None:
    PowerRequest.objects.filter(pk=request.pk).update(done_at=timezone.now(), said=readable(said)[:400], failed=failed)
