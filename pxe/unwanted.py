"""Find and end our background programs that vetting.yaml does not ask for. Works without a database."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pxe import daemon
from pxe.daemon import Daemon, Process
from pxe.paths import Paths
from runs.bench.problems import Problem

FOREGROUND = "--keep-in-foreground"
Keeper = Literal["tick", "unit", "off"]


def dnsmasq(files: Paths) -> Daemon:
    """Our dnsmasq: the one with our configuration file."""
    argument = f"--conf-file={files.conf}"
    return Daemon("dnsmasq", (argument,), files.pid, (argument,))


def dnsmasqs(files: Paths, keeper: Keeper) -> list[Process]:
    """The dnsmasq processes that the wrong supervisor started. If there are two, also the one without a pid file. Only
    systemd's process stays in the foreground."""
    ours = dnsmasq(files)
    first = ours.pid()
    return [
        one
        for one in daemon.running("dnsmasq")
        if ours.is_it(one) and (keeper != _keeper_of(one) or first not in (None, one.pid))
    ]


def end_all(processes: Iterable[Process]) -> list[Problem]:
    """End these processes. Returns one problem for each that did not end."""
    return [problem(one, why) for one in processes if (why := daemon.end(one.pid))]


def problem(process: Process, why: str = "") -> Problem:
    name = Path(process.words[0]).name
    what = f"{name} (process {process.pid}) runs although vetting.yaml does not ask for it" + (why and f", and {why}")
    return Problem("bench", what, f"the worker ends it within a second or two; else: sudo kill {process.pid}")


def _keeper_of(process: Process) -> Keeper:
    return "unit" if FOREGROUND in process.words else "tick"
