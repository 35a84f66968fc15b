"""Cleans up after a rack, also after one that was killed: `python -m tests.rack.warden NAMESPACE DIRECTORY`.

It holds the reading end of a pipe; when the rack ends, however it ends, the pipe closes. It is a session of
its own, so Ctrl-C does not reach it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.rack import netns
from tests.rack.netns import Namespace

_ROOT = Path(__file__).parents[2]


def sweep(namespace: Namespace) -> None:
    """Ends every process inside and removes the namespace with its devices. Twice does no harm."""
    while pids := namespace.pids():
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
    netns.delete(namespace)


def sweep_orphans() -> list[str]:
    """Removes what racks left whose process and warden are both gone; the names of their namespaces."""
    orphans = [namespace for namespace in netns.all_of_racks() if netns.owner_is_gone(namespace)]
    for namespace in orphans:
        sweep(namespace)
    return [namespace.name for namespace in orphans]


class Warden:
    """The rack's side: `directory` is removed, too, when the rack does not come to `dismiss` itself."""

    def __init__(self, namespace: Namespace, directory: Path) -> None:
        command = [sys.executable, "-m", "tests.rack.warden", namespace.name, str(directory)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, cwd=_ROOT, start_new_session=True)

    def dismiss(self) -> None:
        """All is clean, and the directory is the rack's to keep or remove."""
        self._process.communicate(b"dismissed")


def _watch(namespace: Namespace, directory: Path) -> None:
    dismissed = sys.stdin.buffer.read()
    sweep(namespace)
    if not dismissed:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    _watch(Namespace(sys.argv[1]), Path(sys.argv[2]))
