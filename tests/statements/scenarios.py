"""All of them, and the part that the suite tries each time."""

from __future__ import annotations

from tests.statements import agents, operators, ticks

SCENARIOS = [*agents.SCENARIOS, *operators.SCENARIOS, *ticks.SCENARIOS]
FIXED_PART = frozenset(
    {
        "boot script",
        "hello",
        "group commit",
        "operator: start",
        "operator: take the key",
        "tick: dispatch",
        "tick: dispatch: a retry",
        "tick: dispatch: the bench is unfit",
        "tick: watchdog: boot",
        "tick: watchdog: stage",
        "tick: watchdog: hold",
        "tick: watchdog: web",
        "tick: messages: taken up",
        "tick: the round",
        "job: report",
    }
)
