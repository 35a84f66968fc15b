"""Report that vetting.yaml was changed and is not in force yet: it is read when a process starts."""

from __future__ import annotations

from django.conf import settings

import pxe.link.iperf
import pxe.supervisor
from runs.bench import problems as bench
from runs.bench.problems import Problem
from runs.files import storage

PART = "configuration"


def tick() -> None:
    bench.report(PART, [] if (one := problem("the worker")) is None else [one])


def problem(who: str) -> Problem | None:
    changed = settings.CONFIGURATION.changed()
    return Problem("configuration", f"{changed} in {who}", "restart web and worker") if changed else None


def problems_now() -> list[Problem]:
    """The problems that the worker recorded, and those that this process sees itself, since the worker may be dead."""
    known = bench.problems()
    seen = [*pxe.supervisor.strays(), *pxe.link.iperf.strays()]
    if not bench.problems(PART) and (one := problem("the web process")):
        seen.append(one)
    if why := storage.problem():
        mark = settings.RUNS_DIR / storage.MARK
        seen.append(
            Problem("bench", f"no log and no report can be written: {why}", f"mount it; if it is new: touch {mark}")
        )
    return [*known, *(one for one in seen if one not in known)]
