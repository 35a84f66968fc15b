"""A walk through the folders of all runs, to find logs whose last line is too old.

There may be a hundred thousand folders, on storage that takes a millisecond for each. So a walk stops when its time is
over, and the next one goes on behind the last folder. A folder in which nothing is left is removed, or each walk would
look into the folders of all runs that there ever were.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path

from django.conf import settings

log = logging.getLogger(__name__)
SUFFIX = ".log"


class Walk:
    """Looks at the folders of the runs with a number above `position`, in order, until `is_over()`. After that
    `position` is the last folder that it looked at, or 0 if it has reached the end. Empty folders are removed if it
    `may_change` something."""

    def __init__(self, position: int, is_over: Callable[[], bool], *, may_change: bool) -> None:
        self.position, self._is_over, self._may_change = position, is_over, may_change

    def logs(self, oldest: float, in_use: Collection[int], newest: int) -> Iterator[tuple[Path, int]]:
        """Yields each log that was changed before `oldest` (seconds since the epoch), with its size; the caller removes
        it. Runs in `in_use` are left alone. Folders that are empty then are removed, up to that of run `newest`: a run
        that came later may be about to write."""
        for number in _numbers(self.position):
            if self._is_over():
                return
            if number not in in_use:
                folder = settings.RUNS_DIR / str(number)
                old, is_all = _old(folder, oldest)
                yield from old
                if is_all and number <= newest and self._may_change:
                    _remove(folder)
            self.position = number
        self.position = 0


def _numbers(position: int) -> list[int]:
    """The numbers above `position` of runs that have a folder. Links, and folders with other names, are left out."""
    if not settings.RUNS_DIR.is_dir():
        return []
    with os.scandir(settings.RUNS_DIR) as entries:
        names = [entry.name for entry in entries if _is_number(entry.name) and entry.is_dir(follow_symlinks=False)]
    return sorted(number for name in names if (number := int(name)) > position)


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdecimal() and name == str(int(name))


def _old(folder: Path, oldest: float) -> tuple[list[tuple[Path, int]], bool]:
    """The old logs in this folder, and whether there is nothing else. A folder that can't be read is logged; the others
    still get their turn."""
    found, others = [], 0
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                is_log = entry.name.endswith(SUFFIX) and entry.is_file(follow_symlinks=False)
                facts = entry.stat(follow_symlinks=False) if is_log else None
                if facts and facts.st_mtime < oldest:
                    found.append((Path(entry.path), facts.st_size))
                else:
                    others += 1
    except FileNotFoundError:  # removed meanwhile
        return [], False
    except OSError as error:
        log.error("the janitor can't look into %s: %s", folder, error.strerror)
        return [], False
    return sorted(found), not others


def _remove(folder: Path) -> None:
    with suppress(OSError):  # not empty: a log could not be removed, or a file came meanwhile
        folder.rmdir()
