"""Whether the worker runs, and whether the bench can boot a host. Without a worker nothing starts and no deadline is
watched, and the pages would show old states without a hint."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from runs.bench import last_seen
from runs.bench import problems as bench
from runs.database import clock
from runs.models import Lease
from runs.wording import remedies

SILENT_AFTER_S = 20.0


def last_round(name: str = Lease.ROUND) -> datetime | None:
    """When the machine that leads last did its round, or the machine whose lease has this name; None if it never did.
    By the database's clock."""
    return last_seen.read(name) or Lease.objects.filter(name=name).values_list("ticked_at", flat=True).first()


def age_s() -> float:
    """Seconds since the last round; infinity before the first."""
    return _since(last_round())


def is_silent() -> bool:
    return age_s() > SILENT_AFTER_S


def context() -> dict[str, Any]:
    last = last_round()
    return {
        "silent": _since(last) > SILENT_AFTER_S,
        "last": last,
        "restart_worker": remedies.restart("worker"),
        "worker_log": remedies.log_of("worker"),
        "problems": bench.problems(),
    }


def _since(last: datetime | None) -> float:
    return float("inf") if last is None else (clock.read() - last).total_seconds()
