"""Operators, agents, the worker and the clock in any order, over HTTP: nothing fails, and what must hold holds."""

from __future__ import annotations

import pytest
from hypothesis import seed
from hypothesis.stateful import run_state_machine_as_test

from tests.fuzz import budget
from tests.fuzz.desk import Desk


@pytest.mark.django_db
def test_whoever_does_whatever_nothing_fails_and_every_invariant_holds() -> None:
    for number in budget.rounds(0.35):
        walks = budget.limits(3, 40) if budget.SECONDS else budget.limits(2, 25)
        run_state_machine_as_test(seed(number)(Desk), settings=walks)
