"""Whether anybody does the work behind the pages, and whether the bench can boot a host. Without a worker nothing
starts and no deadline is watched, and a page that shows yesterday's states would look as calm as ever."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Max
from django.utils import timezone

from runs import bench
from runs.models import Lease

SILENT_AFTER_S = 20.0


def last_round() -> datetime | None:
    """When a worker last did its round; None where none ever did."""
    return Lease.objects.aggregate(last=Max("ticked_at"))["last"]


def is_silent(last: datetime | None) -> bool:
    return last is None or (timezone.now() - last).total_seconds() > SILENT_AFTER_S


def context() -> dict[str, Any]:
    last = last_round()
    return {"silent": is_silent(last), "last": last, "problems": bench.problems()}
