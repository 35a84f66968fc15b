"""The types of invariants, their violations, and the scope of a check. The only table that it queries is Run's."""

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
# Violations of one invariant that are reported; the others are only counted.
MOST_TOLD = 20


@dataclass(frozen=True)
class Scope:
    """The runs to check: those with a number above `above`, and all that are live or held. Deadlines are compared with
    `now`."""

    above: int = 0
    now: datetime = field(default_factory=timezone.now)

    def runs(self) -> RunQuerySet:
        runs = Run.objects.order_by("id")
        return runs.filter(Q(pk__gt=self.above) | Q(state__in=LIVE | HELD)) if self.above else runs

    def of_runs(self) -> dict[str, Any]:
        """The condition for `filter` on a table with the column `run`."""
        return {"run__in": self.runs().order_by().values("pk")} if self.above else {}


def newest(count: int = NEWEST) -> Scope:
    """The newest runs and all that are live or held: fast, however many runs exist."""
    last = Run.objects.order_by("-id").values_list("id", flat=True).first() or 0
    return Scope(above=max(0, last - count))


@dataclass(frozen=True)
class Broken:
    """One violation of an invariant. `run` is None if it concerns no run."""

    run: int | None
    what: str


@dataclass(frozen=True)
class Invariant:
    """`says` is what must hold; `means` says what a violation means and who must act. `repair` names one of
    `repairs.ALL`, if there is a safe one."""

    name: str
    says: str
    means: str
    find: Callable[[Scope], Iterable[Broken]]
    repair: str = ""


@dataclass(frozen=True)
class Violation:
    """What `check` reports: an invariant and its violations."""

    invariant: str
    says: str
    run: int | None
    what: str
    means: str
    repair: str = ""
