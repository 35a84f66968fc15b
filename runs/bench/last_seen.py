"""When the round and the web process were last seen, if the database is SQLite. (With PostgreSQL only the rows of
`Lease` have these times.)

The times change every second, so they are kept as the times of files in the machine's memory, and nothing is written to
the disk. After a restart of the machine the rows of `Lease` have the times of their last write.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

from django.conf import settings
from django.db import connection

from runs.files import volatile
from runs.models import Lease

log = logging.getLogger("vetting.rounds")
# The web process is asked every few seconds. A longer gap is an outage.
OUTAGE_AFTER = timedelta(seconds=8)


def note(lease: str, at: datetime) -> bool:
    """Note that the holder of this lease was seen. False if the lease's row must be written instead."""
    if connection.vendor != "sqlite":
        return False
    try:
        volatile.set_time(_path(lease), int(at.timestamp() * 1e9))
    except OSError as error:
        log.error("the database is written instead of %s: %s", _path(lease), error)
        with suppress(OSError):
            _path(lease).unlink()  # otherwise its old time would count
        return False
    return True


def read(lease: str) -> datetime | None:
    """None if it was not seen since the machine started, and on PostgreSQL."""
    if connection.vendor != "sqlite":
        return None
    try:
        return datetime.fromtimestamp(_path(lease).stat().st_mtime_ns / 1e9, UTC)
    except OSError:
        return None


def web(lease: Lease) -> datetime | None:
    """When the web process of this lease's site last answered."""
    return max((at for at in (lease.web_seen_at, read(lease.name)) if at), default=None)


def _path(lease: str) -> Path:
    return volatile.folder(settings.PID_DIR) / f"seen-{quote(lease, safe='')}"
