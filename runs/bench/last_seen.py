"""When the round and the web process were last seen, where SQLite is the database. PostgreSQL has it in the rows of
`Lease` alone.

They are seen every second, so their times are those of files in the machine's memory: nothing is written to the disk.
After a restart of the machine the rows say what was known when they were last written.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from django.conf import settings
from django.db import connection

from runs.files import volatile

log = logging.getLogger("vetting.rounds")


def note(lease: str, at: datetime) -> bool:
    """Note that what this lease is for was seen. False where it must be noted in the lease's row."""
    if connection.vendor != "sqlite":
        return False
    ns = int(at.timestamp() * 1e9)
    try:
        os.utime(_made(_path(lease)), ns=(ns, ns))
    except OSError as error:
        log.error("the database is written instead of %s: %s", _path(lease), error)
        with suppress(OSError):
            _path(lease).unlink()  # else its old time would count
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


def _path(lease: str) -> Path:
    return volatile.folder(settings.PID_DIR) / f"seen-{quote(lease, safe='')}"


def _made(path: Path) -> Path:
    if not path.exists():
        path.touch(mode=0o640)
        if os.geteuid() == 0:  # our user's processes must be able to set its time
            os.chown(path, path.parent.stat().st_uid, -1)
    return path
