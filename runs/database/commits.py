"""What was read from rows stays right until somebody commits. So it is read again only after a commit.

SQLite says cheaply whether there was one. `PRAGMA data_version` changes with every commit of another connection, and
`total_changes` counts the rows that this connection has changed. Both together take some 20 µs; a query that Django
makes takes 1 ms. PostgreSQL has no such number, so there everything is read each time.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from django.db import connection

Mark = tuple[Any, int, int]
P = ParamSpec("P")
T = TypeVar("T")


def mark() -> Mark | None:
    """A value that changes with each commit. None if that is unknown: on PostgreSQL, and inside a transaction, which
    may still be rolled back. The numbers are those of one connection, so the connection is part of the value."""
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        return None
    with connection.cursor() as cursor:
        version: int = cursor.execute("PRAGMA data_version").fetchone()[0]
    raw = connection.connection
    return raw, version, raw.total_changes


def remembered(read: Callable[P, T]) -> Callable[P, T]:
    """A decorator for a function that depends only on rows and on its arguments, not on the time. Until the next commit
    its last answer is returned again. Callers must not change that answer."""
    last: tuple[Mark, Hashable, T] | None = None

    @wraps(read)
    def answer(*args: P.args, **kwargs: P.kwargs) -> T:
        nonlocal last
        # The mark is taken before the read: a commit during the read makes its answer outdated.
        now, asked = mark(), (args, tuple(sorted(kwargs.items())))
        if now is None:
            return read(*args, **kwargs)
        known = last
        if known is None or known[:2] != (now, asked):
            known = last = now, asked, read(*args, **kwargs)
        return known[2]

    return answer
