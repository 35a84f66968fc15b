"""A loss of power, a torn write, a lost sync, an EIO at each write of a call: the database opens again, and what was
answered is there. One call; `make statements` does all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.statements.calm import calm
from tests.statements.power import power_goes
from tests.statements.scenarios import SCENARIOS

pytestmark = pytest.mark.django_db(transaction=True)
CHOSEN = ("hello",)


@pytest.mark.parametrize("name", CHOSEN)
def test_what_was_answered_is_there_after_a_loss_of_power(name: str, tmp_path: Path) -> None:
    scenario = next(one for one in SCENARIOS if one.name == name)
    with calm():
        outcome = power_goes(scenario, tmp_path)
    assert outcome.syncs and not outcome.broken, "\n".join(outcome.broken)
