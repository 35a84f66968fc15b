"""A process of the orchestrator, or the agent, killed in the middle of a run: the verdict is right all the same, and
nothing is on record twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from typing import Any

import pytest

from tests.e2e.conftest import MACHINES
from tests.rack import machinefile, outcome
from tests.rack.life import Life
from tests.rack.rack import Rack

pytestmark = [pytest.mark.rack, pytest.mark.slow]


def twice(things: Iterable[Hashable]) -> list[Hashable]:
    return [thing for thing, count in Counter(things).items() if count > 1]


def recorded_twice(snapshot: dict[str, Any]) -> list[Hashable]:
    """Attempts, rungs, findings and entries into a state that there are two of."""
    entered = [event["after"] for event in snapshot["events"] if event["before"] != event["after"]]
    return [
        *twice(entered),
        *twice((stage["name"], stage["attempt"]) for stage in snapshot["stages"]),
        *twice((rung["boot"], rung["rung"]) for rung in snapshot["rungs"]),
        *twice((f["stage"], f["code"], f["component"]) for f in snapshot["findings"]),
    ]


@pytest.mark.parametrize("killed", ["worker", "web", "dnsmasq", "agent"])
def test_the_run_ends_with_the_right_verdict_and_nothing_twice(killed: str) -> None:
    machine = machinefile.load(MACHINES / f"kill-{killed}.yaml")
    with Rack(machine) as rack:
        seen = Life(rack).live()
        assert outcome.failures(machine.outcome, seen) == []
        assert recorded_twice(rack.snapshot()) == []
