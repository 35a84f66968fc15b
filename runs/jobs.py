"""The one seam to django-q2: queue a call, transactionally. A job may run twice: whoever is called makes that
harmless."""

from __future__ import annotations

from django_q.tasks import async_task


def enqueue(dotted: str, *args: object) -> None:
    """Have a worker call `dotted(*args)`. Inside a transaction the call is queued only if it commits. Pass ids, never
    model instances: the arguments are pickled."""
    async_task(dotted, *args, q_options={"save": False})
