"""What can happen to a statement, and a wrapper around the database's connection that makes it happen to the k-th."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from typing import Any

from django.db import DEFAULT_DB_ALIAS, OperationalError, connection, connections
from django.db.utils import Error

Execute = Callable[..., Any]


class Fault(StrEnum):
    """`CUT` ends the process before the statement, `CUT_AFTER` behind it. `UNTOLD` is a commit that happened, but the
    connection was lost before it was told. `KILLED` is SIGKILL of a real process, before the commit."""

    LOCKED = "locked"
    FULL = "disk full"
    LOST = "connection lost"
    CUT = "cut before"
    CUT_AFTER = "cut after"
    UNTOLD = "lost behind a commit"
    KILLED = "killed before"


BEHIND = frozenset({Fault.CUT_AFTER, Fault.UNTOLD})
AT_COMMITS_ALONE = BEHIND | {Fault.KILLED}
COMMIT = "COMMIT"


class Cut(BaseException):
    """The process ends here. No handler of the product may swallow it."""


class Injector:
    """Counts statements and commits; `fault` happens at number `at` (from 1). `seen` are their texts, in order."""

    def __init__(self, fault: Fault | None = None, at: int = 0) -> None:
        self.fault, self.at = fault, at
        self.seen: list[str] = []
        self.happened = False
        self.is_dead = False

    def statement(self, execute: Execute, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        return self._pass(sql, lambda: execute(sql, params, many, context))

    def _pass(self, text: str, go_on: Callable[[], Any]) -> Any:
        if self.is_dead:
            raise Cut
        self.seen.append(text)
        if len(self.seen) != self.at:
            return go_on()
        self.happened = True
        if self.fault in BEHIND:
            go_on()
        self._strike()

    def commit(self, real: Callable[[], None]) -> None:
        """A commit on an open connection; nothing is committed on one that is gone."""
        self._pass(COMMIT, real)

    def _strike(self) -> None:
        if self.fault is Fault.KILLED:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.fault in (Fault.CUT, Fault.CUT_AFTER):
            self.is_dead = True
            _hang_up()
            if connection.vendor != "sqlite":
                connection.connection = _Dead()
            raise Cut
        if self.fault is Fault.LOCKED:
            _break_transaction_of_postgresql()
            raise OperationalError("database is locked")
        if self.fault is Fault.FULL:
            _end_transaction()
            raise OperationalError("database or disk is full")
        _hang_up()
        raise OperationalError("server closed the connection unexpectedly")


class _Gone:
    """In the place of SQLite's connection, which can't be lost: every use of it fails."""

    in_transaction = False
    isolation_level = None

    def cursor(self, *args: Any, **more: Any) -> Any:
        raise sqlite3.OperationalError("the connection is closed")

    execute = commit = rollback = cursor

    def close(self) -> None: ...


class _Dead:
    """In the place of PostgreSQL's connection when our process ends: its last use is no error that is handled."""

    def close(self) -> None: ...

    def __getattr__(self, name: str) -> Any:
        raise Cut

    def __setattr__(self, name: str, value: Any) -> None:
        raise Cut


def _hang_up() -> None:
    """What was not committed is gone, as when the process dies or the server drops us."""
    raw = connection.connection
    if connection.vendor != "sqlite":
        raw.close()
    elif not isinstance(raw, _Gone):
        if raw.in_transaction:
            raw.execute("ROLLBACK")
        connection.connection = _Gone()


def _end_transaction() -> None:
    """A full disk makes SQLite roll the whole transaction back by itself [sqlite.org/lang_transaction.html]."""
    raw = connection.connection
    if connection.vendor == "sqlite" and raw.in_transaction:
        raw.execute("ROLLBACK")
    _break_transaction_of_postgresql()


def _break_transaction_of_postgresql() -> None:
    """After any error it takes nothing but a rollback."""
    if connection.vendor == "postgresql":
        with suppress(Exception):
            connection.connection.execute("SELECT 1/0")


@contextmanager
def injected(injector: Injector) -> Iterator[Injector]:
    """The connection of this thread, with faults. (An open one: a process that has just started is no other case.)"""
    real = connections[DEFAULT_DB_ALIAS]
    real.ensure_connection()
    really_commit = real._commit

    def commit() -> None:
        if real.connection is not None:
            injector.commit(really_commit)

    real._commit = commit
    if real.vendor == "sqlite":
        real.is_usable = lambda: not isinstance(real.connection, _Gone)
    try:
        with real.execute_wrapper(injector.statement):
            yield injector
    finally:
        del real._commit


def reopen() -> None:
    """As a process that has just started."""
    with suppress(Error):
        connections[DEFAULT_DB_ALIAS].close()
    del connections[DEFAULT_DB_ALIAS]
