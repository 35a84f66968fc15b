"""What an invariant is, what breaks one, and which runs are looked at. No query of a table but Run's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.utils import timezone

from runs.machine import HELD, LIVE
from runs.models import Run
from runs.querysets import RunQuerySet

NEWEST = 500
# Of one invariant. A table that is wrong as a whole is told by its first rows and a number.
MOST_TOLD = 20


@dataclass(frozen=True)
class Scope:
    """The runs to look at: those with a number above `above`, and all that are live or held. `now` is the time by which
    deadlines are judged."""

    above: int = 0
    now: datetime = field(default_factory=timezone.now)

    def runs(self) -> RunQuerySet:
        runs = Run.objects.order_by("id")
        return runs.filter(Q(pk__gt=self.above) | Q(state__in=LIVE | HELD)) if self.above else runs

    def of_runs(self) -> dict[str, Any]:
        """For `filter` on a table with the column `run`."""
        return {"run__in": self.runs().order_by().values("pk")} if self.above else {}


def newest(count: int = NEWEST) -> Scope:
    """The newest runs and all that are live or held: quick however many runs there are."""
    last = Run.objects.order_by("-id").values_list("id", flat=True).first() or 0
    return Scope(above=max(0, last - count))


@dataclass(frozen=True)
class Broken:
    """One place in which an invariant does not hold. `run` is None where no run is concerned."""

    run: int | None
    what: str


@dataclass(frozen=True)
class Invariant:
    """`says` is what must hold, `means` what it means where it does not and who must act. `repair` names one of
    `repairs.ALL`, where there is a safe one."""

    name: str
    says: str
    means: str
    find: Callable[[Scope], Iterable[Broken]]
    repair: str = ""


@dataclass(frozen=True)
class Violation:
    """What `check` reports: an invariant, and where it is broken."""

    invariant: str
    says: str
    run: int | None
    what: str
    means: str
    repair: str = ""
