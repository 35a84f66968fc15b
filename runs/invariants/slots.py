"""How many runs may go on at once: one per host, no more than there are slots, and one at the bench's link."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Case, Count, F, IntegerField, Q, Sum, Value, When, Window
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast

from runs.invariants.history import moves
from runs.invariants.kinds import Broken, Invariant, Scope
from runs.machine import OCCUPIES_SLOT, Event
from runs.models import Run, StageRun
from runs.stages import STAGES

_OURS = "This is our bug: report it with the histories of these runs."


def _two_of_a_host(scope: Scope) -> Iterator[Broken]:
    busy = Run.objects.live_or_held().order_by().values("host", "host__name").annotate(n=Count("id")).filter(n__gt=1)
    for row in busy:
        runs = Run.objects.live_or_held().filter(host=row["host"]).order_by("id").values_list("pk", flat=True)
        yield Broken(runs[0], f"{row['host__name']} has {row['n']} live or held runs: {', '.join(map(str, runs))}")


def _over_the_limit(scope: Scope) -> Iterator[Broken]:
    """Add up the slots in use after each event. Each event that gives a slot says how many there were. (In an older
    version it does not.)"""
    inside = {"state_before__in": OCCUPIES_SLOT}, {"state_after__in": OCCUPIES_SLOT}
    change = Case(
        When(Q(**inside[1]) & ~Q(**inside[0]), then=Value(1)),
        When(Q(**inside[0]) & ~Q(**inside[1]), then=Value(-1)),
        default=Value(0),
        output_field=IntegerField(),
    )
    taken = moves(scope).annotate(taken=Window(Sum(change), order_by=F("id").asc()))
    # No filter on the kind: the database would apply it before the sum, which would then miss the runs that left.
    said = Cast(KeyTextTransform("slots", "data"), IntegerField())
    grants = taken.annotate(slots=Case(When(kind__in=(Event.DISPATCH, Event.RETRY), then=said)))
    over = grants.filter(taken__gt=F("slots")).order_by("id")
    for event in over:
        yield Broken(
            event.run_id, f"event {event.pk}: the {event.taken}th run at once, and there were {event.slots} slots"
        )


def _two_at_the_link(scope: Scope) -> Iterator[Broken]:
    names = [stage.name for stage in STAGES if stage.shares_link]
    here = StageRun.objects.filter(outcome="", name__in=names, run__state=F("name")).exclude(go_at=None)
    by_site: dict[str, list[int]] = {}
    for run_id, site in here.order_by("run_id").values_list("run_id", "run__site"):
        by_site.setdefault(site, []).append(run_id)
    for runs in by_site.values():
        if len(runs) > 1:
            yield Broken(runs[0], f"runs {', '.join(map(str, runs))} have the bench's link at the same time")


ALL = (
    Invariant(
        "one_run_per_host",
        "A host has at most one run that is live or held.",
        f"Two runs would wake, write and power off the same machine: cancel all but one. {_OURS}",
        _two_of_a_host,
    ),
    Invariant(
        "within_slots",
        "No run was started while dispatcher.max_concurrent runs had a slot.",
        f"More hosts ran at once than vetting.yaml allows. {_OURS}",
        _over_the_limit,
    ),
    Invariant(
        "one_at_link",
        "At most one run measures the network at a time.",
        f"These measurements don't describe the hosts: retry Network. {_OURS}",
        _two_at_the_link,
    ),
)
