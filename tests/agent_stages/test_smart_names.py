"""Names of attributes: what smartctl's database says of a model, and what is known where it says nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agent.probes.smart import smart_meanings


@pytest.mark.parametrize("spell", [str.lower, str.upper, str.swapcase])
def test_capital_and_small_letters_of_a_name_are_the_same(spell: Callable[[str], str]) -> None:
    rows = [(1, name) for row in smart_meanings.TABLE for name in row.names]
    rows += [(5, "Runtime_Bad_Block"), (230, "Media_Wearout_Indicator")]
    assert [smart_meanings.named("", "", number, spell(name)) for number, name in rows] == [name for _, name in rows]


def test_each_name_of_an_attribute_has_one_meaning_and_each_meaning_a_reason() -> None:
    names = [name.lower() for row in smart_meanings.TABLE for name in row.names]
    assert len(names) == len(set(names))
    assert all(len(row.why) > 20 for row in smart_meanings.TABLE)
