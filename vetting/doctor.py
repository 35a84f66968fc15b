"""What `manage.py doctor` looks at: the invariants of the data, and the state of the bench."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from django.db import DatabaseError, connection

import notifications.invariants
import pxe.invariants
from runs import invariants
from runs.invariants import Invariant, Scope, Violation
from runs.wording import remedies
from vetting import benchstate
from vetting.benchstate import Found

INVARIANTS: tuple[Invariant, ...] = (*invariants.ALL, *pxe.invariants.ALL, *notifications.invariants.ALL)
# A violation is checked again after this time: a worker may be in the middle of a change.
AGAIN_AFTER_S = 1.5


def violations(scope: Scope | None = None, *, again_after_s: float = AGAIN_AFTER_S) -> list[Violation]:
    """The violated invariants of every app. Changes nothing. Raises DatabaseError."""
    with read_only():
        return invariants.check(scope, invariants=INVARIANTS, again_after_s=again_after_s)


def problems() -> list[Found]:
    with read_only():
        return benchstate.problems()


def examine(*, every_run: bool = False) -> tuple[list[Violation], list[Found]]:
    """Violations and problems. If the tables can't be read, that is reported as a problem, without violations."""
    found = problems()
    try:
        broken = violations(Scope() if every_run else invariants.newest())
    except DatabaseError as error:
        broken, what = [], f"the rows can't be read: {error}"
        if not any(one.check == "database" for one in found):
            fix = f"{remedies.command('migrate')} makes missing tables. If none are missing, check the database"
            found.append(Found("database", "bench", what.strip(), fix))
    return broken, found


def as_data(broken: list[Violation], found: list[Found]) -> dict[str, Any]:
    return {"violations": [asdict(one) for one in broken], "problems": [asdict(one) for one in found]}


@contextmanager
def read_only() -> Iterator[None]:
    """Within this context the database refuses every write of this process."""
    on, off = (
        ("PRAGMA query_only=ON", "PRAGMA query_only=OFF")
        if connection.vendor == "sqlite"
        else ("SET default_transaction_read_only = on", "SET default_transaction_read_only = off")
    )
    try:
        _say(on)
    except DatabaseError:  # the database does not answer: the caller's own query will fail too
        yield
        return
    try:
        yield
    finally:
        _say(off)


def _say(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
