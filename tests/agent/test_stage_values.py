"""A profile's values as a stage's own dataclass: typed, complete, or missed by name."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from agent.contract import stage_values
from agent.contract.stage_values import ProfileLacks, least
from agent.contract.stages import SPECS


@dataclass(frozen=True)
class Wanted:
    duration_s: float
    loops: int
    kind: str
    quiet: bool
    offset_min_s: float = least(-5)
    slope_max_c: float | None = None


GIVEN = {"duration_s": 3, "loops": 2, "kind": "short", "quiet": False, "offset_min_s": -1}


def test_values_have_the_types_of_their_fields() -> None:
    read = stage_values.read(Wanted, {**GIVEN, "slope_max_c": 1}, "stages.Any.params")
    assert read == Wanted(3.0, 2, "short", False, -1.0, 1.0)
    assert [type(value) for value in vars(read).values()] == [float, int, str, bool, float, float]


def test_what_a_profile_may_leave_out_has_its_default() -> None:
    assert stage_values.read(Wanted, GIVEN, "").slope_max_c is None


def test_the_first_value_that_is_missing_is_named() -> None:
    with pytest.raises(ProfileLacks, match=r"profile: stages.Any.params.kind is missing"):
        stage_values.read(Wanted, {name: value for name, value in GIVEN.items() if name != "kind"}, "stages.Any.params")


def test_a_value_that_nobody_reads_is_left_alone() -> None:
    assert stage_values.read(Wanted, {**GIVEN, "other": 1}, "") == stage_values.read(Wanted, GIVEN, "")


def test_a_frozen_profile_that_lacks_a_value_orders_nothing_by_it() -> None:
    assert stage_values.read_what_is_there(Wanted, {}) == Wanted(0.0, 0, "", False, 0.0)


def test_a_number_that_is_none_still_orders_what_it_orders() -> None:
    assert stage_values.read_what_is_there(Wanted, {"loops": "two", "duration_s": [3]}).loops == 1


def test_a_field_says_what_is_too_little() -> None:
    assert [stage_values.least_of(Wanted, name) for name in ("duration_s", "offset_min_s")] == [0, -5]


@pytest.mark.parametrize("name", SPECS)
def test_a_stages_values_are_numbers_words_and_switches(name: str) -> None:
    """With units in their names, so that they read alike in profile, code and documents."""
    for kind in (SPECS[name].params, SPECS[name].limits):
        assert set(stage_values._types(kind).values()) <= {int, float, str, bool}
