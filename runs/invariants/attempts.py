"""Nothing counts twice and nothing is lost: compares attempts with the events that opened them, and keys with holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from django.db.models import Count, F, Max, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce

from runs.invariants.history import moves
from runs.invariants.kinds import Broken, Invariant, Scope
from runs.machine import HELD, STAGE_STATES, TABLE, Effect
from runs.models import Boot, HoldSession, Series, StageRun

_OPENING = sorted({row.event.value for row in TABLE if Effect.OPEN_STAGE in row.effects})
_OURS = "This is our bug: report it with the run's page. Vet the host again."


def _open_attempts(scope: Scope) -> Iterator[Broken]:
    """A run in a stage has one open attempt, of this stage; a run in no stage has none."""
    in_stage = set(scope.runs().filter(state__in=STAGE_STATES).values_list("pk", "state"))
    running = Counter(StageRun.objects.filter(outcome="", **scope.of_runs()).values_list("run_id", "name"))
    for run, state in sorted(in_stage - running.keys()):
        yield Broken(run, f"it is {state} and no attempt of it is open")
    states = dict(scope.runs().filter(pk__in={run for run, _ in running}).values_list("pk", "state"))
    for (run, name), count in sorted(running.items()):
        if states.get(run) != name or count > 1:
            yield Broken(run, f"{count} attempts of {name} are open while it is {states.get(run)}")


def _attempts_by_history(scope: Scope) -> Iterator[Broken]:
    """Each attempt was opened by one event, and they are numbered from 1."""
    opened = moves(scope).filter(kind__in=_OPENING, state_after__in=STAGE_STATES)
    told = {(run, name): n for run, name, n in opened.values_list("run_id", "state_after").annotate(n=Count("id"))}
    rows = StageRun.objects.filter(**scope.of_runs()).order_by().values_list("run_id", "name")
    kept = {(run, name): (n, last) for run, name, n, last in rows.annotate(n=Count("id"), last=Max("attempt"))}
    for run, name in sorted(told.keys() | kept.keys()):
        events, (count, last) = told.get((run, name), 0), kept.get((run, name), (0, 0))
        if not events == count == last:
            yield Broken(run, f"{name}: opened {events} times, {count} attempts kept, the last has number {last}")


def _batches(scope: Scope) -> Iterator[Broken]:
    """No more batches of measurements were counted than were sent, and no rows came without a batch. Checks only live
    and held runs: a long run has millions of rows."""
    runs = scope.runs().filter(state__in=(*STAGE_STATES, *HELD))
    sent = Boot.objects.filter(run=OuterRef("pk")).order_by().values("run").annotate(n=Max("sensor_seq")).values("n")
    for pk, seq, most in runs.annotate(sent=Coalesce(Subquery(sent), 0)).values_list("pk", "sensor_seq", "sent"):
        if not seq and Series.objects.filter(run_id=pk).exists():
            yield Broken(pk, "it has measurements, but it has counted no batch of them")
        elif most and not seq:
            yield Broken(pk, f"batch {most} was acknowledged, but it has counted none")


def _tokens(scope: Scope) -> Iterator[Broken]:
    """When a boot is claimed, the tokens of all earlier boots are invalid."""
    newest = Boot.objects.filter(run=OuterRef("run")).exclude(claimed_at=None).order_by("-number").values("number")[:1]
    alive = Boot.objects.filter(dead_at=None, **scope.of_runs()).annotate(newest=Subquery(newest))
    for run, number, last in alive.filter(number__lt=F("newest")).values_list("run_id", "number", "newest"):
        yield Broken(run, f"boot {last} is claimed and the token of boot {number} still counts")


def broken_keys(scope: Scope) -> Iterator[Broken]:
    """A hold is open exactly while the host is held; a closed hold keeps no key."""
    open_now = Count("holds", filter=Q(holds__closed_at=None))
    held = Q(state__in=HELD)
    wrong = scope.runs().annotate(n=open_now).filter((held & ~Q(n=1)) | (~held & Q(n__gt=0)))
    for pk, state, count in wrong.values_list("pk", "state", "n"):
        yield Broken(pk, f"it is {state} and has {count} open holds")
    left = HoldSession.objects.filter(closed_at__isnull=False, **scope.of_runs()).exclude(private_key_sealed="")
    for run, pk in left.values_list("run_id", "pk"):
        yield Broken(run, f"hold {pk} is closed and its private key is kept")


def _retries(scope: Scope) -> Iterator[Broken]:
    """Only a held run waits for a retry."""
    for pk, state in scope.runs().exclude(retry_stage="").exclude(state__in=HELD).values_list("pk", "state"):
        yield Broken(pk, f"it is {state} and waits for a retry")


ALL = (
    Invariant(
        "one_open_attempt",
        "A run that is in a stage has one open attempt of this stage; any other has none.",
        f"A run without an open attempt waits for ever: cancel it. {_OURS}",
        _open_attempts,
    ),
    Invariant(
        "attempts_by_history",
        "Each attempt of a stage was opened by one event, and attempts are numbered from 1.",
        f"A result was lost, or counted twice. {_OURS}",
        _attempts_by_history,
    ),
    Invariant(
        "batches_counted",
        "A run counts the batches of measurements that were acknowledged.",
        f"Measurements were lost. {_OURS}",
        _batches,
    ),
    Invariant(
        "one_live_token",
        "When a boot is claimed, the tokens of all boots before it are dead.",
        f"A machine that booted earlier could still speak for this run. {_OURS}",
        _tokens,
    ),
    Invariant(
        "keys_while_held",
        "A hold is open exactly while its host is held, and the private key of a closed one is forgotten.",
        "A key that should be deleted may open a host, or a held host has no key: press 'New key' on its page. The "
        "repair closes such holds and deletes such keys. This is our bug: report it.",
        broken_keys,
        repair="close_holds",
    ),
    Invariant(
        "retry_while_held",
        "Only a held run waits for a retry.",
        f"The dispatcher would look at it for ever. {_OURS}",
        _retries,
    ),
)
