"""django-q2's queue in the database, asked when something was committed and not five times a second."""

from __future__ import annotations

import time

from django_q.brokers.orm import ORM
from django_q.conf import Conf

from runs.database import commits

# Also without a commit: a task that was taken and never done is due again after a time.
ASK_AGAIN_S = 5.0


class Queue(ORM):  # type: ignore[misc]  # django-q2 has no types
    """On PostgreSQL it is asked each time, since that does not say cheaply whether there was a commit."""

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
