"""What no combination of facts, lists and flags may ever lead to. A small fixed part of `make worlds`."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.disk_writes import safety
from tests.agent_stages import campaign
from tests.agent_stages.modeldisk import Violation
from tests.agent_stages.safetyworlds import a_world, check


def test_what_is_drawn_leads_to_grants_and_to_refusals_by_every_gate() -> None:
    """Else the property below would hold of nothing."""
    happened: Counter[str] = Counter()
    for seed in range(600):
        happened.update(check(a_world(Random(seed))))
    wanted = ["gate 2", "gate 3", "gate 4", "gate 5", "blank", "overridden", "resumed", "gate 3 beside a grant"]
    assert {word: happened[word] for word in wanted if happened[word] < 5} == {}


@settings(max_examples=1000)
@given(st.randoms(use_true_random=False))
def test_a_grant_means_that_every_gate_was_open(rng: Random) -> None:
    check(a_world(rng))


@settings(max_examples=60)
@given(st.randoms(use_true_random=False))
def test_the_decision_is_a_function_of_its_data(rng: Random) -> None:
    world = a_world(rng)
    assert safety.decide(**world) == safety.decide(**world)


# --- the campaign -------------------------------------------------------------------------------------------------


def test_a_campaign_counts_its_worlds_and_what_they_led_to(capsys: pytest.CaptureFixture[str]) -> None:
    assert campaign.main(["--worlds", "200", "--seed", "7"]) == 0
    said = capsys.readouterr().out
    assert "200 of 200 worlds, 10 of them histories of writes, 0 violations" in said


def test_a_campaign_names_the_seed_of_what_went_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def wrong(rng: Random) -> set[str]:
        raise Violation("zeros at 3")

    monkeypatch.setattr(campaign, "play", wrong)
    assert campaign.main(["--worlds", "40", "--seed", "100"]) == 1
    assert "world 120: Violation: zeros at 3" in capsys.readouterr().out
