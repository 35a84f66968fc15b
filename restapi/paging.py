"""Lists, a page at a time. A cursor names the last row of a page, so rows that are added meanwhile shift nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, TypeVar

from django.http import HttpRequest
from ninja import Schema
from pydantic import Field

from hosts.nearest import did_you_mean
from restapi.problems import Problem
from runs.desk.request_numbers import whole_number

T = TypeVar("T")
MOST = 500


class Asked(Schema):
    """The query of a list."""

    limit: int = Field(100, ge=1, le=MOST)
    cursor: str = Field("", max_length=63, description="`next` of the page before")


def refuse_unknown(request: HttpRequest, known: Iterable[str] = ()) -> None:
    """A misspelt filter would select everything. Raises Problem."""
    names = sorted(known)
    for name in request.GET:
        if name not in names:
            hint = f"leave it out, or use one of: {', '.join(names)}" if names else "leave it out"
            raise Problem(400, f"there is no parameter {name[:40]!r} here{did_you_mean(name[:40], names)}", hint)


def page(rows: Iterable[T], limit: int, cursor_of: Callable[[T], object]) -> dict[str, Any]:
    """The first `limit` rows. `rows` must have one more if there is a next page."""
    some = list(islice(rows, limit + 1))
    items = some[:limit]
    return {"items": items, "next": str(cursor_of(items[-1])) if len(some) > limit else None}


def number(cursor: str) -> int | None:
    """The number in a cursor; None if there is no cursor. Raises Problem."""
    if not cursor:
        return None
    if (found := whole_number(cursor)) is None:
        raise Problem(400, f"cursor is {cursor[:40]!r}", "send `next` of the page before, or no cursor")
    return found
