"""Each call, action and tick, with a fault at its statements: afterwards, and after the call was made again as its
caller would, all is as without the fault. Here every third, a fault each, in turn; `make statements` tries all."""

from __future__ import annotations

import pytest

from tests.statements.calm import calm
from tests.statements.scenarios import FIXED_PART, SCENARIOS
from tests.statements.sweep import Scenario, sweep

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("scenario", [one for one in SCENARIOS if one.name in FIXED_PART], ids=lambda one: one.name)
def test_nothing_is_lost_or_doubled_whatever_statement_fails(scenario: Scenario) -> None:
    with calm():
        outcome = sweep(scenario, whole=False, every=3)
    assert outcome.positions and not outcome.broken, "\n".join(outcome.broken)
