"""The first rows of a list, and how many more there are, so that a page has a bounded size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, TypeVar

from django.db.models import Case, IntegerField, QuerySet, Value, When

from hosts import bounds
from hosts.bounds import Bound
from runs.models import Finding, Severity

T = TypeVar("T")
_BY_OUTCOME = {"failed": 0, "not_tested": 1}


@dataclass(frozen=True)
class Shown(Generic[T]):
    """`more` counts those that are not among the `rows`."""

    rows: Sequence[T]
    more: int = 0

    def __iter__(self) -> Iterator[T]:
        return iter(self.rows)


def first(rows: Sequence[T], bound: Bound = bounds.SHOWN_ROWS) -> Shown[T]:
    return Shown(rows[: bound.most], max(0, len(rows) - bound.most))


def checks(rows: Sequence[dict[str, Any]], bound: Bound) -> Shown[dict[str, Any]]:
    """Checks in their order. If there are too many to show, those that did not pass come first."""
    if len(rows) <= bound.most:
        return Shown(rows)
    return first(sorted(rows, key=lambda one: _BY_OUTCOME.get(one.get("outcome", ""), 2)), bound)


def entries(numbers: dict[str, Any], bound: Bound) -> Shown[tuple[str, Any]]:
    return Shown(list(islice(numbers.items(), bound.most)), max(0, len(numbers) - bound.most))


def findings(rows: QuerySet[Finding], bound: Bound = bounds.SHOWN_FINDINGS) -> Shown[Finding]:
    """The worst first."""
    whens = [When(severity=word, then=Value(place)) for place, word in enumerate(Severity.values)]
    weight = Case(*whens, default=Value(len(whens)), output_field=IntegerField())
    some = list(rows.order_by(weight, "pk")[: bound.most])
    return Shown(some, rows.count() - len(some) if len(some) == bound.most else 0)


def of_each(rows: Iterable[T], key: Any, most: int) -> tuple[list[T], int]:
    """The first `most` rows of each key, and how many are left out in all."""
    counted: dict[Any, int] = {}
    kept = []
    left = 0
    for row in rows:
        counted[key(row)] = counted.get(key(row), 0) + 1
        if counted[key(row)] <= most:
            kept.append(row)
        else:
            left += 1
    return kept, left
