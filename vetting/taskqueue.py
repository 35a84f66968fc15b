"""django-q2's queue in the database. It is read after each commit, and not five times a second."""

from __future__ import annotations

import time

from django_q.brokers.orm import ORM
from django_q.conf import Conf

from runs.database import commits

# It is also read after this time without a commit, since a task that was taken but never done becomes due again.
ASK_AGAIN_S = 5.0


class Queue(ORM):  # type: ignore[misc]  # django-q2 has no types
    """On PostgreSQL the queue is read each time, since PostgreSQL does not show cheaply whether there was a commit."""

    _empty: commits.Mark | None = None
    _asked_at = 0.0

    def dequeue(self) -> list[tuple[int, str]] | None:
        """The tasks to do now. Waits for a moment if there is none. Several clusters can do this at once: each task is
        taken by a conditional update."""
        now = commits.mark()
        if now is not None and now == self._empty and time.monotonic() - self._asked_at < ASK_AGAIN_S:
            time.sleep(Conf.POLL)
            return None
        self._asked_at = time.monotonic()
        found: list[tuple[int, str]] | None = super().dequeue()
        self._empty = None if found else now
        return found
