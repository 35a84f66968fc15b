"""The order in which the dashboard shows the hosts, and the size of each of its groups.

The database computes both from the newest run of each host. The index `runs_newest` has all columns for that, so the
work does not grow with the number of runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Case, CharField, Count, ExpressionWrapper, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, Coalesce, Concat

from hosts import wakemethods
from hosts.models import Host
from runs.machine import LIVE, State
from runs.models import Run, Verdict

PER_PAGE = 60
# The first character of a host's place. Places with a higher character come first.
_HELD, _NEEDS_SOMEBODY, _RUNNING, _REST = "3", "2", "1", "0"
_PLACES: Mapping[str, tuple[str, ...]] = {
    "attention": (_HELD, _NEEDS_SOMEBODY),
    "running": (_RUNNING,),
    "rest": (_REST,),
}


@dataclass(frozen=True)
class Page:
    """One page of the dashboard. `counts` has the number of hosts of each group on all pages."""

    hosts: list[int]
    counts: Mapping[str, int]
    number: int
    total: int

    @property
    def last(self) -> int:
        return max(1, -(-self.total // PER_PAGE))

    @property
    def first_shown(self) -> int:
        return (self.number - 1) * PER_PAGE + 1

    @property
    def last_shown(self) -> int:
        return self.first_shown + len(self.hosts) - 1


def page(hosts: QuerySet[Host], group: str = "", number: int = 1) -> Page:
    """One page of the hosts, or of one group of them. Hosts that need somebody come first: held before failed, the
    newest first. The others follow by name. If there are fewer pages, it is the last one."""
    counts = _counts(hosts)
    total = counts[group] if group else sum(counts.values())
    number = max(1, min(number, -(-total // PER_PAGE)))
    placed = hosts.annotate(place=_newest(_place(since=Cast("state_since", CharField()))))
    if group:
        placed = placed.filter(_in(_PLACES[group]))
    start = (number - 1) * PER_PAGE
    ids = placed.order_by("-place", "name").values_list("pk", flat=True)[start : start + PER_PAGE]
    return Page(list(ids), counts, number, total)


def _counts(hosts: QuerySet[Host]) -> dict[str, int]:
    rows = hosts.order_by().annotate(place=_newest(_place())).values_list("place").annotate(n=Count("pk"))
    found = dict(rows)
    return {group: sum(found.get(place, 0) for place in places) for group, places in _PLACES.items()}


def _in(places: tuple[str, ...]) -> Q:
    """The hosts whose place begins with one of these group characters, as one range of the index."""
    return Q(place__gte=min(places), place__lt=chr(ord(max(places)) + 1))


def _newest(value: Case) -> Coalesce:
    """`value` of each host's newest run. A host that was never vetted counts as one of the group `rest`."""
    method = ExpressionWrapper(OuterRef("wake_method"), output_field=CharField())
    runs = Run.objects.filter(host=OuterRef("pk")).order_by("-id").annotate(wake_method=method)
    return Coalesce(Subquery(runs.annotate(place=value).values("place")[:1]), Value(_REST))


def _place(*, since: Combinable = Value("")) -> Case:  # noqa: B008  an expression does not change
    """The group of a run's host, followed by `since` if the host needs somebody."""
    by_hand = [name for name, method in wakemethods.every().items() if method.by_hand]
    needs = Concat(Value(_NEEDS_SOMEBODY), since, output_field=CharField())
    return Case(
        When(state=State.FAILED_HOLDING, then=Concat(Value(_HELD), since, output_field=CharField())),
        When(state=State.WAITING_WOL, wake_method__in=by_hand, then=needs),
        When(state__in=LIVE, then=Value(_RUNNING)),
        When(Q(state=State.FAILED) | Q(verdict__in=(Verdict.ERROR, Verdict.FAILED)), then=needs),
        default=Value(_REST),
        output_field=CharField(),
    )
