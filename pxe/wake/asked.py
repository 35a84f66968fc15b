"""Does what was asked of a host's power (PowerRequest), each in a job of its own, and notes what came of it."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from hosts import wakemethods
from hosts.models import Host
from hosts.readable import readable
from hosts.wakemethods import STOPPING, Verb
from pxe.wake import power as wake_power
from pxe.wake.shape import NotMeant, Refused, Stop, WakeProblem
from runs import jobs, lifecycle, power
from runs.bench import faults
from runs.database import commits
from runs.machine import State
from runs.models import Actor, PowerReason, PowerRequest, Run

DO = jobs.Kind("pxe.wake.asked.do", "the power of a host", limit_s=85)
# A host that hung may reset and boot its own disk: it is power-cycled soon, or not at all.
HUNG_WITHIN = timedelta(seconds=120)
# Who asks to stop a host knows what runs on it now, and not what will run on it when a stopped worker is back.
STOPPED_WITHIN = timedelta(seconds=120)
READ_AGAIN = timedelta(seconds=60)
MOST_READS = 10
# Nothing is due later than READ_AFTER from when it is asked for.
_SET_BACK = timedelta(seconds=180)


def tick() -> None:
    if not _is_any_left():
        return
    now = timezone.now()
    # What is due in a far future was asked for before the clock was set back: it is looked at now, and is late.
    is_due = Q(due_at__lte=now) | Q(due_at__gt=now + _SET_BACK)
    for request in PowerRequest.objects.filter(is_due, done_at=None).select_related("host").order_by("id"):
        with faults.confined(f"The power of {request.host.name}"):
            _ask(request)
    for request in PowerRequest.objects.filter(done_at=None, due_at=None).select_related("run").order_by("id"):
        if not jobs.is_wanted(DO, request.pk) and (request.tries or _late(request) > power.OPEN_FOR):
            _lost(request)


@commits.remembered
def _is_any_left() -> bool:
    return PowerRequest.objects.filter(done_at=None).exists()


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


def _lost(request: PowerRequest) -> None:
    """Its process was killed: it is not done again, since it may have been done."""
    what = "whether it was done is not known" if request.begun_at else "not done"
    said = f"{what}: the process that did it was killed"
    mine = PowerRequest.objects.filter(pk=request.pk, tries=request.tries, due_at=None, done_at=None)
    noted = mine.update(done_at=timezone.now(), said=said, failed=True)
    if noted and request.run is not None and request.reason == PowerReason.HUNG:
        text = f"power cycle of the host that hung: {what}, the worker's process was killed"
        lifecycle.note(request.run, "power_cycle_failed", actor=Actor.WATCHDOG, who="watchdog", text=text)


def _begin(request: PowerRequest) -> bool:
    mine = PowerRequest.objects.filter(pk=request.pk, begun_at=None, done_at=None)
    return mine.update(begun_at=timezone.now()) == 1


def _late(request: PowerRequest) -> timedelta:
    """How long ago it was asked for; as long, if the clock was set back since."""
    return abs(timezone.now() - request.asked_at)


def _asked(request: PowerRequest) -> None:
    stop = Stop(lambda: _not_any_more(request), lambda: _begin(request))
    try:
        if why := _not_any_more(request):
            raise NotMeant(why)
        said, failed = wake_power.act(request.host, Verb(request.verb), stop), False
    except NotMeant as why_not:
        said, failed = f"not done: {why_not}", True
    except WakeProblem as problem:
        said, failed = str(problem), True
    _over(request, said, failed=failed)
    if request.run is not None:
        text = f"{request.words}: {said}"
        lifecycle.note(request.run, "power", actor=Actor.OPERATOR, who=request.who, text=text)


def _not_any_more(request: PowerRequest) -> str:
    """Why a verb that stops the host is not done now, though it could be when it was asked for."""
    if Verb(request.verb) not in STOPPING:
        return ""
    if (late := _late(request)) > STOPPED_WITHIN:
        return f"the worker came to it {late.total_seconds():.0f} s later; ask again if it is still meant"
    host = Host.objects.get(pk=request.host_id)
    return power.changed_since(host, request.asked_at) or power.why_not(host, Verb(request.verb))


def _hung(request: PowerRequest) -> None:
    """Power-cycle the host that hung, and have it boot from the network. It is not done if the host was heard of since,
    if another run has begun, or if it is too late."""
    run = request.run
    assert run is not None, "only a run's host hangs"
    stop = Stop(lambda: _better_not(request, run.pk), lambda: _begin(request))
    try:
        if why := _better_not(request, run.pk):
            raise NotMeant(why)
        cycled = wake_power.cycle_to_network(run.host, stop)
        said, failed = f"the host hung and was power-cycled: {cycled}", False
    except WakeProblem as problem:
        said, failed = f"not power-cycled: {problem}", True
    _over(request, said, failed=failed)
    kind = "power_cycle_failed" if failed else "power_cycled"
    lifecycle.note(run, kind, actor=Actor.WATCHDOG, who="watchdog", text=said)


def _better_not(request: PowerRequest, run_id: int) -> str:
    """Why the host that hung is not cycled, as things are now."""
    run = Run.objects.light().select_related("host").get(pk=run_id)
    if Verb.CYCLE not in run.host.power_verbs:
        return f"{wakemethods.title(run.host.wake_method)} has no power cycle"
    is_back = run.rungs.filter(at__gt=request.asked_at).exists()
    if run.state != State.FAILED or is_back or (run.last_seen and run.last_seen > request.asked_at):
        return "the host was heard of again"
    if other := Run.objects.busy_on(run.host):
        return f"run {other.pk} of the host has begun"
    if (late := _late(request)) > HUNG_WITHIN:
        return f"the worker came to it {late.total_seconds():.0f} s later, when the host may have booted its own disk"
    return power.changed_since(run.host, request.asked_at) or power.two_with_one_device(run.host)


def _after(request: PowerRequest) -> None:
    """Whether the host is off after its run. One that is on is asked again for some minutes: powering off takes a
    while."""
    run = request.run
    assert run is not None, "a run is over"
    try:
        is_on, problem, refused = wake_power.is_on(run.host), "", False
    except WakeProblem as error:
        is_on, problem, refused = None, str(error), isinstance(error, Refused)
    if Verb.STATUS not in run.host.power_verbs:
        said = f"not known: {wakemethods.title(run.host.wake_method)} can't read it"
    elif is_on is False:
        said = "off"
    elif is_on and (since := run.left_to_disk_at):
        said = f"on, and sent to its own disk at {since:%H:%M:%S} UTC"
    elif Run.objects.busy_on(run.host):
        said = "not known: another run of this host has begun"
    elif request.tries < MOST_READS and not refused:
        return _again(request)
    elif is_on:
        said = f"still on {_late(request).total_seconds() / 60:.0f} minutes after the end"
    else:
        said = f"not known: {problem or 'the device does not say'}"
    _over(request, said)


def _again(request: PowerRequest) -> None:
    PowerRequest.objects.filter(pk=request.pk).update(due_at=timezone.now() + READ_AGAIN)


def _over(request: PowerRequest, said: str, *, failed: bool = False) -> None:
    over = {"done_at": timezone.now(), "due_at": None, "said": readable(said)[:400], "failed": failed}
    PowerRequest.objects.filter(pk=request.pk).update(**over)
