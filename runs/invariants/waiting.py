"""Nothing waits for ever: every waiting state has a deadline, and waiting for the worker has a bound."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Exists, Max, OuterRef, Q

from agent.contract.stage_spec import Owner
from runs import dispatcher, watchdog
from runs.bench import service_state
from runs.invariants.kinds import Broken, Invariant, Scope
from runs.machine import AGENT_SILENT, OCCUPIES_SLOT, STAGE_STATES, State
from runs.models import Job, Run, RunEvent, StageRun, WakeRequest
from runs.stages import BY_NAME, STAGES
from runs.wording import remedies

# A round normally takes a second; after a process died, its lease takes 10 s to expire.
WORKER_BOUND = timedelta(seconds=60)
# Long jobs run one after the other; a failed one is tried again after five minutes.
REPORT_BOUND = timedelta(minutes=15)
# More than a thousand runs write in a minute; there is no index by time, since nothing else asks for
# events by time alone.
_LATE_EVENTS = 20_000
_OURS = "This is our bug: report it with the run's page."
_NO_AGENT = [stage.name for stage in STAGES if stage.owner is Owner.ORCHESTRATOR]


def _without_deadline(scope: Scope) -> Iterator[Broken]:
    passing = Q(state__in=[State.REGISTERED, *_NO_AGENT])
    for pk, state in Run.objects.filter(passing).order_by("id").values_list("pk", "state"):
        yield Broken(pk, f"it stays in {state}, which is left in the same transaction")
    for pk, state in Run.objects.filter(state__in=AGENT_SILENT, boot_deadline=None).values_list("pk", "state"):
        yield Broken(pk, f"it is {state} and has no deadline for its boot")
    for pk, host in Run.objects.filter(state=State.QUEUED, host__enabled=False).values_list("pk", "host__name"):
        yield Broken(pk, f"it is queued, and {host} is disabled")
    here = StageRun.objects.filter(outcome="", run__state__in=STAGE_STATES).exclude(name__in=_NO_AGENT)
    for run, name, timeout_s, go_at in here.values_list("run_id", "name", "timeout_s", "go_at"):
        if timeout_s <= 0:
            yield Broken(run, f"{name} has no time limit")
        if go_at is None and not BY_NAME[name].shares_link:
            yield Broken(run, f"{name} waits too long for its go")


def _deadline_passed(scope: Scope) -> Iterator[Broken]:
    """Apply the watchdog's rule as of a minute ago. If the worker is not running, the bench reports that problem."""
    if _worker_is_silent(scope.now):
        return
    for run in watchdog.waiting_long(scope.now - WORKER_BOUND):
        if watchdog.missed_deadline(run, scope.now - WORKER_BOUND):
            yield Broken(run.pk, f"it is {run.state}, and its deadline passed more than {_s(WORKER_BOUND)} ago")


def _waits_for_worker(scope: Scope) -> Iterator[Broken]:
    if _worker_is_silent(scope.now):
        return
    since = scope.now - WORKER_BOUND
    yield from _queued_too_long(since)
    yield from _jobs(scope.now)
    for run in WakeRequest.objects.filter(run__state=State.WAITING_WOL, sent=0, problem="", requested_at__lt=since):
        yield Broken(run.run_id, f"it waits to be woken since {run.requested_at:%H:%M:%S} UTC")
    put_aside = Job.objects.filter(run=OuterRef("pk"), due_at=None, handed_at=None)  # that is reported as a problem
    due = scope.runs().filter(~Exists(put_aside), report_due=True).annotate(told=Max("events__at"))
    for pk, told in due.filter(told__lt=scope.now - REPORT_BOUND).values_list("pk", "told"):
        yield Broken(pk, f"its report is due since {told:%Y-%m-%d %H:%M:%S} UTC")


def _jobs(now: datetime) -> Iterator[Broken]:
    """Jobs that nobody handed out, and jobs that run longer than their limit."""
    for job in Job.objects.filter(handed_at=None, due_at__lt=now - REPORT_BOUND):
        yield Broken(job.run_id, f"{job.title} is due since {job.due_at:%Y-%m-%d %H:%M:%S} UTC")
    for job in Job.objects.filter(handed_at__lt=now - REPORT_BOUND):
        assert job.handed_at is not None, "the query asks for those that were handed out"
        if now - job.handed_at > REPORT_BOUND + timedelta(seconds=job.limit_s):
            yield Broken(job.run_id, f"{job.title} runs since {job.handed_at:%Y-%m-%d %H:%M:%S} UTC")


def _queued_too_long(since: datetime) -> Iterator[Broken]:
    """The first waiting run, if a slot has been free all the time."""
    first = Run.objects.next_in_line().filter(state_since__lt=since).values_list("pk", "state_since").first()
    if first is None or dispatcher.free_slots() < 1 or _somebody_left(since):
        return
    pk, at = first
    yield Broken(pk, f"it is queued since {at:%Y-%m-%d %H:%M:%S} UTC, and a slot is free")


def _somebody_left(since: datetime) -> bool:
    newest = RunEvent.objects.order_by("-id").values_list("id", flat=True).first() or 0
    late = RunEvent.objects.filter(pk__gt=newest - _LATE_EVENTS, at__gte=since)
    return late.filter(state_before__in=OCCUPIES_SLOT).exclude(state_after__in=OCCUPIES_SLOT).exists()


def _worker_is_silent(now: datetime) -> bool:
    last = service_state.last_round()
    return last is None or (now - last).total_seconds() > service_state.SILENT_AFTER_S


def _s(span: timedelta) -> str:
    return f"{span.total_seconds():.0f} s"


ALL = (
    Invariant(
        "waits_have_deadlines",
        "Every state in which a run waits has a deadline.",
        "The run would wait for ever: cancel it, or enable its host. If its host is enabled, this is our bug: "
        "report it with the run's page.",
        _without_deadline,
    ),
    Invariant(
        "deadlines_are_kept",
        "A deadline that has passed ends the waiting within a minute of a worker's round.",
        f"The watchdog does not see this run: cancel it. {_OURS}",
        _deadline_passed,
    ),
    Invariant(
        "worker_is_prompt",
        "What waits for the worker (a slot, a wake, a report) waits no longer than its bound.",
        f"A tick of the worker fails or is slow: `{remedies.log_of('worker')}` says which. A full disk keeps reports "
        "from being written.",
        _waits_for_worker,
    ),
)
