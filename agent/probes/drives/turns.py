"""Limits how many commands a RAID controller gets at once."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext

# hpsa accepts ten commands from programs at once and refuses more (HPSA_MAX_CONCURRENT_PASSTHRUS), which looks like a
# drive that does not answer. A smartctl that hangs occupies one of them. [hpsa.h of Linux 6.12]
AT_ONCE = 6
_TURNS: dict[str, threading.BoundedSemaphore] = {}


def of(path: str, device_type: str) -> AbstractContextManager[object]:
    """Within the block, hold one of the places at the controller that `path` leads to. Without a `device_type` the
    device is a plain drive, and there is no limit."""
    return _TURNS.setdefault(path, threading.BoundedSemaphore(AT_ONCE)) if device_type else nullcontext()
