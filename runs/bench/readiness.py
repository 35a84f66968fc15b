"""Whether any host could boot from this bench, looked at before a run is queued.

Only an installation is judged: in a checkout, pages and tests work on addresses that no host reaches.
"""

from __future__ import annotations

from django.conf import settings

from runs.bench import problems as bench
from runs.bench import service_state
from runs.bench.problems import Problem
from runs.wording import remedies

SOURCE = "setup"
"""What the worker finds missing of the setup (pxe/readiness.py)."""


def why_not() -> list[Problem]:
    """Why no host could boot now; empty if nothing is known against it."""
    if not settings.INSTALLED:
        return []
    found = bench.problems(SOURCE)
    if service_state.is_silent():
        found.append(Problem("bench", "no worker is running that could wake a host", remedies.restart("worker")))
    return found


def refusal() -> str:
    """Why no run is queued now, each reason with its remedy; empty if one may be."""
    return "; ".join(f"{one.what}: {one.fix}" for one in why_not())
