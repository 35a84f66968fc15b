"""How many commands a RAID controller is given at once."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext

# hpsa takes ten commands from outside at once and turns more away (HPSA_MAX_CONCURRENT_PASSTHRUS), which reads like a
# drive that does not answer; a smartctl that hangs keeps its place. [hpsa.h of Linux 6.12]
AT_ONCE = 6
_TURNS: dict[str, threading.BoundedSemaphore] = {}


def of(path: str, device_type: str) -> AbstractContextManager[object]:
    """A turn at the controller that `path` leads to; a drive that is asked without a `way` is its own."""
    return _TURNS.setdefault(path, threading.BoundedSemaphore(AT_ONCE)) if device_type else nullcontext()
