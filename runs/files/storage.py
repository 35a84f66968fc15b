"""Where the files of runs lie: in the data directory, or on storage that several machines share (VETTING_RUNS_DIR).

Shared storage has a file `MARK` that the operator makes once. Without it the storage is not mounted, and what is
written there would be on this machine's own disk: so nothing is written.
"""

from __future__ import annotations

import errno

from django.conf import settings

MARK = ".vetting-runs"


def problem() -> str:
    """Why nothing can be written; empty if it can."""
    if not settings.RUNS_ARE_SHARED or (settings.RUNS_DIR / MARK).is_file():
        return ""
    return f"{settings.RUNS_DIR} has no {MARK}: the shared storage is not mounted, or was never prepared"


def is_there() -> None:
    """Raises OSError if the shared storage is not mounted."""
    if why := problem():
        raise OSError(errno.EIO, why)
