"""Time limits of the database: for a lock, and for one statement. A statement that takes longer raises
OperationalError.

A connection gets the limits of the thread or process that opens it. A page and an agent's call wait a short time, and
then the caller is told to try again. A worker's job ends before django-q2 would end it. A command (also a migration)
waits a minute for a lock, and its statements have no limit.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

# How many instructions SQLite executes before it calls us to look at the clock: about a millisecond.
INSTRUCTIONS = 50_000


@dataclass(frozen=True)
class Limits:
    """Seconds. A `statement_s` of 0 is no limit."""

    lock_s: float
    statement_s: float


# An agent hangs up after 10 s and sends again (agent/link/client.py).
AGENT = Limits(lock_s=6, statement_s=8)
PAGE = Limits(lock_s=10, statement_s=20)
# Below Q_CLUSTER's timeout of 90 s.
WORKER = Limits(lock_s=20, statement_s=60)
COMMAND = Limits(lock_s=60, statement_s=0)

_default = COMMAND
_mine = threading.local()


def use_by_default(limits: Limits) -> None:
    """Set the limits for every thread of this process that has none of its own."""
    global _default
    _default = limits


def use(limits: Limits) -> None:
    """Set the limits for this thread, from its next connection on."""
    _mine.limits = limits


def apply(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Receives Django's signal `connection_created`."""
    limits: Limits = getattr(_mine, "limits", _default)
    if connection.vendor == "sqlite":
        _limit_sqlite(connection, limits)
    elif connection.vendor == "postgresql":
        _limit_postgresql(connection, limits)


def _limit_sqlite(connection: BaseDatabaseWrapper, limits: Limits) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA busy_timeout = {int(limits.lock_s * 1000)}")
    wrappers = connection.execute_wrappers
    wrappers[:] = [one for one in wrappers if not isinstance(one, Clock)]
    if limits.statement_s:
        clock = Clock(limits.statement_s)
        # First, not last: Django's `execute_wrapper` removes the last one when it ends.
        wrappers.insert(0, clock)
        connection.connection.set_progress_handler(clock.is_late, INSTRUCTIONS)


def _limit_postgresql(connection: BaseDatabaseWrapper, limits: Limits) -> None:
    """The server also ends a transaction that is idle for too long, since its locks make others wait."""
    idle_s = limits.statement_s or 0
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('lock_timeout', %s, false), set_config('statement_timeout', %s, false),"
            " set_config('idle_in_transaction_session_timeout', %s, false)",
            [f"{int(seconds * 1000)}ms" for seconds in (limits.lock_s, limits.statement_s, idle_s)],
        )


class Clock:
    """The time limit of a statement. SQLite has none of its own: it calls `is_late` now and then."""

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self.ends = 0.0

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        self.ends = time.monotonic() + self.limit_s
        return execute(sql, params, many, context)

    def is_late(self) -> bool:
        return time.monotonic() > self.ends
