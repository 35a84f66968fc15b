"""Processes that work as the workers of several machines: forks of the test, each with its own name and connection."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.db import connection, connections


class Machine:
    """A process that calls `work` as the worker of the machine `name`, at the site of that address."""

    def __init__(self, name: str, work: Callable[[], object], *, site: str = "") -> None:
        self.name = name
        connection.close()  # the child must not use it
        self.pid = os.fork()
        if self.pid == 0:
            self._be(work, site)

    def _be(self, work: Callable[[], object], site: str) -> None:
        status = 1
        try:
            connections["default"].connection = None
            settings.MACHINE = self.name
            if site:
                web = settings.VETTING.web.model_copy(update={"address": site})
                settings.VETTING = settings.VETTING.model_copy(update={"web": web})
            work()
            connection.close()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)

    def end(self) -> int:
        """Its exit status."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def kill(self) -> None:
        """At once; nothing if it was killed before."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = 0


class Diary:
    """A file to which every process appends lines: `machine what time`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def note(self, *words: object) -> None:
        with self.path.open("a") as file:
            file.write(" ".join(map(str, (settings.MACHINE, *words))) + "\n")

    def lines(self) -> list[list[str]]:
        return [line.split() for line in self.path.read_text().splitlines()]

    def who(self, what: str) -> list[str]:
        """The machines that noted this, in order."""
        return [line[0] for line in self.lines() if line[1] == what]
