"""The records of the kernel's log, as /dev/kmsg gives them: one for each read. (Documentation/ABI/testing/dev-kmsg)"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

KMSG = Path("dev/kmsg")
_RECORD_BYTES = 8192


def opened(source: str | Path) -> int | None:
    """A descriptor of the log, from the oldest record on, which waits for none. None if it can't be opened."""
    try:
        return os.open(source, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return None


def following(log: int) -> bytes:
    """The next record of an open log; empty if there is none now, or none can be read. Records that were overwritten
    before they were read are left out: the number in the next record shows how many."""
    while True:
        try:
            return os.read(log, _RECORD_BYTES)
        except BrokenPipeError:
            continue
        except OSError:
            return b""


def until_now(source: str | Path) -> Iterator[bytes]:
    """Every record that the kernel still has; none if the log can't be opened."""
    log = opened(source)
    if log is None:
        return
    try:
        while record := following(log):
            yield record
    finally:
        os.close(log)
