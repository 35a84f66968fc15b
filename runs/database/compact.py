"""Give the space that rows left back to the disk, while everything goes on.

SQLite keeps the pages of deleted rows for new ones. A database that was made with `auto_vacuum=INCREMENTAL` (ours, see
vetting/settings.py) can move its last pages into them and become shorter, so many pages at a time. Each step is a short
transaction of its own: killed between or in one, the database is as before that step. PostgreSQL's autovacuum frees
space for new rows by itself.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from django.db import OperationalError, connection

log = logging.getLogger(__name__)

STEP_PAGES = 256
"""1 MiB. Others that write wait for one step (docs/benchmarks.md says how long)."""
KEPT_SHARE, KEPT_BYTES = 0.1, 16 * 2**20
"""Free space that stays for new rows: a tenth of the database, and 16 MiB at least."""
_INCREMENTAL = 2


@dataclass(frozen=True)
class Space:
    """In bytes. `can_shrink`: the database gives pages back without being rewritten as a whole."""

    size: int
    free: int
    page: int
    can_shrink: bool

    @property
    def too_much(self) -> int:
        """What can be given back."""
        return max(0, self.free - max(KEPT_BYTES, int(self.size * KEPT_SHARE))) if self.can_shrink else 0


def space() -> Space:
    """Of SQLite's file; PostgreSQL looks after itself."""
    if connection.vendor != "sqlite":
        return Space(0, 0, 1, can_shrink=False)
    pages, free, page, mode = (_asked(name) for name in ("page_count", "freelist_count", "page_size", "auto_vacuum"))
    return Space(pages * page, free * page, page, mode == _INCREMENTAL)


def give_back(until: float = float("inf")) -> int:
    """Give back what is too much, step by step, and return how many bytes that were. Stops after `until` on the
    monotonic clock, and when the database is locked. After each step it waits as long as the step took, so that others
    can write."""
    before = space()
    left, given = before.too_much // before.page, 0
    try:
        while left > 0 and time.monotonic() < until:
            started = time.monotonic()
            step(min(STEP_PAGES, left))
            left, given = left - STEP_PAGES, before.size - space().size
            time.sleep(time.monotonic() - started)
    except OperationalError as error:
        log.info("the database is not made shorter now: %s", error)
    if given:
        log.info("janitor gave %d bytes of the database back to the disk", given)
    return given


def step(pages: int) -> None:
    """One transaction. The statement frees one page each time it is stepped, and has no columns: of Python's calls,
    only `executescript` steps such a statement to its end."""
    connection.ensure_connection()
    with connection.wrap_database_errors:
        connection.connection.executescript(f"PRAGMA incremental_vacuum({int(pages)})")


def _asked(name: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA {name}")
        return int(cursor.fetchone()[0])
