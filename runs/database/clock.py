"""The database's clock. If several machines share a PostgreSQL server, leases are compared with its clock, since the
clocks of machines differ. SQLite has one machine, and its clock is used."""

from __future__ import annotations

from datetime import datetime

from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone


def now() -> datetime | Now:
    """For filters and updates; `now() + timedelta(…)` is also such a value."""
    return Now() if connection.vendor == "postgresql" else timezone.now()


def read() -> datetime:
    """The database's time."""
    if connection.vendor != "postgresql":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        found: datetime = cursor.fetchone()[0]
        return found


def ahead_s() -> float:
    """By how many seconds this machine's clock is ahead of the database's; below zero if it is behind."""
    before = timezone.now()
    theirs = read()
    half_way = before + (timezone.now() - before) / 2
    return (half_way - theirs).total_seconds()
