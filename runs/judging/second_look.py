"""The second look at a result: does what the agent calls passed carry what is demanded of it?

The agent settles a stage first, by the same rule in its own code. A bad host that passes is the worst that can happen,
so nothing is taken as passed here because somebody said so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from agent.contract import wire
from runs.judging.required_checks import Demand


def lacking(result: wire.Result, demands: Iterable[Demand], not_expected: Collection[str]) -> str:
    """Why the result can't be passed, in words; empty where nothing is lacking.

    Each demanded check has to be there and to have passed, unless the host is not expected to have what it looks at:
    by the check's topic, or by the demand's where it was not made.
    """
    unproven = [demand.name.rstrip(".") for demand in demands if not demand.met_by(result.checks, not_expected)]
    return f"called passed without {', '.join(dict.fromkeys(unproven))}" if unproven else ""
