"""A folder in the machine's memory, for small files that change every second. On a disk they would cause writes all
day, even if nothing happens. After a restart of the machine they are gone.

The folder is in /dev/shm and belongs to one installation. Web and worker must see the same /dev/shm.
"""

from __future__ import annotations

import hashlib
import os
import stat
from functools import cache
from pathlib import Path

SHARED = Path("/dev/shm")  # a tmpfs on every Linux


@cache
def path(pid_dir: Path) -> Path:
    """The path of this installation's folder, whether it exists or not."""
    return SHARED / f"vetting-{hashlib.sha256(os.fsencode(pid_dir.resolve())).hexdigest()[:16]}"


def folder(pid_dir: Path) -> Path:
    """The folder, which is made if needed. `pid_dir` itself where there is no /dev/shm, or where another user has made
    a folder of that name."""
    place = path(pid_dir)
    try:
        pid_dir.mkdir(parents=True, exist_ok=True)
        owner = pid_dir.stat().st_uid
        facts = place.lstat() if place.exists() else _made(place, owner)
    except OSError:
        return pid_dir
    return place if stat.S_ISDIR(facts.st_mode) and facts.st_uid in (owner, os.geteuid()) else pid_dir


def set_time(file: Path, ns: int) -> None:
    """Set the file's modification time to `ns`; create the file if it is missing. Raises OSError."""
    if not file.exists():
        file.touch(mode=0o640)
        if os.geteuid() == 0:  # all processes of our user must be able to set its time
            os.chown(file, file.parent.stat().st_uid, -1)
    os.utime(file, ns=(ns, ns))


def _made(place: Path, owner: int) -> os.stat_result:
    place.mkdir(mode=0o750, exist_ok=True)
    if os.geteuid() == 0:
        os.chown(place, owner, -1, follow_symlinks=False)
    return place.lstat()
