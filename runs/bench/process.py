"""Names of processes, for rows that say which process does something: `machine/boot/pid/start`, such as
`orch-1/9f2c41d0/812/48213`. Several machines may work on one database, so the number of a process is not enough.
"""

from __future__ import annotations

import hashlib
import os
from functools import cache
from pathlib import Path

from django.conf import settings

_START = 19  # of the fields behind the name in /proc/PID/stat [proc(5)]


def mine() -> str:
    """The name of this process."""
    return f"{here()}{os.getpid()}/{_started(os.getpid())}"


def here() -> str:
    """The prefix of the names of all processes of this machine in this boot."""
    return f"{settings.MACHINE}/{_boot()}/"


def is_gone(name: str) -> bool:
    """Whether this process has ended. False for a process of another machine, since we can't tell."""
    machine, boot, pid, started = (*name.split("/"), "", "", "", "")[:4]
    if machine != settings.MACHINE:
        return False
    return boot != _boot() or (pid.isdecimal() and _started(int(pid)) != started)


def this_boot() -> str:
    """The kernel's boot id and the start of process 1: a container that restarts keeps its host's kernel."""
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot_id} {_started(1)}"


@cache
def _boot() -> str:
    return hashlib.sha256(this_boot().encode()).hexdigest()[:8]


def _started(pid: int) -> str:
    """When it was started, in ticks since the kernel's boot; empty if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[_START]
    except (OSError, IndexError):
        return ""
