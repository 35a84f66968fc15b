"""The order of the stages follows from what each says that it comes after."""

from __future__ import annotations

import pytest

from agent.contract.stage_spec import Owner, StageSpec
from agent.contract.stages import in_order


def spec(name: str, after: str = "", owner: Owner = Owner.AGENT) -> StageSpec:
    return StageSpec(name, name, "", "", after=after, owner=owner)


CHAIN = (spec("One"), spec("Two", "One"), spec("Judge", "Two", Owner.ORCHESTRATOR), spec("Three", "Judge"))


def names(*specs: StageSpec) -> list[str]:
    return [one.name for one in in_order(specs)]


def test_each_stage_stands_behind_the_one_that_it_names() -> None:
    assert names(*reversed(CHAIN)) == ["One", "Two", "Judge", "Three"]


@pytest.mark.parametrize("name", ["Also", "Zebra"])
def test_a_new_stage_stands_directly_behind_the_one_that_it_names(name: str) -> None:
    assert names(*CHAIN, spec(name, "One")) == ["One", name, "Two", "Judge", "Three"]
    assert names(*CHAIN, spec(name, "Two")) == ["One", "Two", name, "Judge", "Three"]


def test_what_the_orchestrator_does_comes_after_a_stage_of_the_agent() -> None:
    last = spec("Report", "Three", Owner.ORCHESTRATOR)
    assert names(*CHAIN, last, spec("Zebra", "Three")) == ["One", "Two", "Judge", "Three", "Zebra", "Report"]


def test_a_stage_behind_one_that_does_not_exist_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"Lost \(after Nowhere\)"):
        in_order([*CHAIN, spec("Lost", "Nowhere")])


@pytest.mark.parametrize(("name", "folder"), [("CPUStress", "cpu_stress"), ("SMART", "smart"), ("GPU", "gpu")])
def test_a_stages_folder_is_its_name_in_small_letters(name: str, folder: str) -> None:
    assert spec(name).folder == folder
