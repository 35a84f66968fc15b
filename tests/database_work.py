"""What a piece of code asks of the database: its statements, how many rows it fetches, and how much the database does
to find them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.db import connection
from django.db.backends.utils import CursorWrapper

from runs.database.limits import INSTRUCTIONS, Clock

_EVERY = 20
_READS = re.compile(r"\s*(SELECT|UPDATE|DELETE|WITH)\b", re.IGNORECASE)


@dataclass
class Work:
    """`steps` are instructions of SQLite's virtual machine: with the same rows they are the same on every machine. They
    stay 0 on PostgreSQL."""

    statements: list[tuple[str, Any]] = field(default_factory=list)
    rows: int = 0
    steps: int = 0

    def scanned(self) -> list[str]:
        """On PostgreSQL: each table that a statement reads from end to end because no index helps. (With few rows it
        would prefer that to an index, so it is forbidden for the question.)"""
        return [table for sql, values in self.statements if _READS.match(sql) for table in _scanned(sql, values)]


@contextmanager
def watched() -> Iterator[Work]:
    """Everything that this thread asks of the default database meanwhile."""
    work = Work()

    def noted(execute: Callable[..., Any], sql: str, values: Any, many: bool, context: Any) -> Any:
        if not many:
            work.statements.append((sql, values))
        return execute(sql, values, many, context)

    with connection.execute_wrapper(noted), pytest.MonkeyPatch.context() as patch, _counted_steps(work):
        _count_rows(work, patch)
        yield work


@contextmanager
def _counted_steps(work: Work) -> Iterator[None]:
    if connection.vendor != "sqlite":
        yield
        return

    def step() -> None:
        work.steps += _EVERY

    connection.ensure_connection()
    connection.connection.set_progress_handler(step, _EVERY)
    try:
        yield
    finally:
        clock = next((one for one in connection.execute_wrappers if isinstance(one, Clock)), None)
        connection.connection.set_progress_handler(clock.is_late if clock else None, INSTRUCTIONS)


def _count_rows(work: Work, patch: pytest.MonkeyPatch) -> None:
    def fetchone(cursor: CursorWrapper) -> Any:
        row = cursor.cursor.fetchone()
        work.rows += row is not None
        return row

    def fetchmany(cursor: CursorWrapper, *given: int) -> Any:
        rows = cursor.cursor.fetchmany(*given)
        work.rows += len(rows)
        return rows

    def fetchall(cursor: CursorWrapper) -> Any:
        rows = cursor.cursor.fetchall()
        work.rows += len(rows)
        return rows

    def iterate(cursor: CursorWrapper) -> Iterator[Any]:
        for row in cursor.cursor:
            work.rows += 1
            yield row

    for name, counted in (("fetchone", fetchone), ("fetchmany", fetchmany), ("fetchall", fetchall)):
        patch.setattr(CursorWrapper, name, counted, raising=False)
    patch.setattr(CursorWrapper, "__iter__", iterate)


def _scanned(sql: str, values: Any) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")
        cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", values)
        (plan,) = cursor.fetchone()
        cursor.execute("RESET enable_seqscan")
    whole = json.loads(plan) if isinstance(plan, str) else plan
    return [node["Relation Name"] for node in _nodes(whole[0]["Plan"]) if node["Node Type"] == "Seq Scan"]


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)
