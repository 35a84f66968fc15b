"""Measure how long transactions are open. SQLite lets one write at a time, and every heartbeat waits for it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic as now_s

from django.db import connection, transaction

log = logging.getLogger("vetting.transactions")
# An agent sends a heartbeat every 5 s. Decoding and checking a message is done before the transaction.
LIMIT_S = 1.0


@contextmanager
def short(what: str) -> Iterator[None]:
    """A transaction, or a savepoint inside one. Measures how long it is open, from the lock to the end of the commit,
    and logs one that was open too long; `what` says what it was for."""
    if connection.in_atomic_block:
        with transaction.atomic():
            yield
        return
    began_s = now_s()
    try:
        with transaction.atomic():
            began_s = now_s()
            yield
    finally:
        if (open_s := now_s() - began_s) > LIMIT_S:
            log.warning("%s: the transaction was open for %.1f s, at most %.1f s are allowed", what, open_s, LIMIT_S)
