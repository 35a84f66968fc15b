from __future__ import annotations

import re

import pytest

from agent.contract import wire
from agent.contract.component_kinds import ComponentKind
from hosts import parts


def test_every_kind_that_an_agent_may_report_has_words() -> None:
    _, _, listed = " ".join((wire.Finding.__doc__ or "").split()).partition("`component_kind` is one of ")
    assert set(re.findall(r"\w+", listed)) == set(ComponentKind)
    assert set(ComponentKind) <= set(parts.BY_WORD)


@pytest.mark.parametrize(("kind", "words"), [("gpu", "GPU"), ("dimm", "Memory module"), ("unheard", "Unheard")])
def test_a_title_begins_with_a_capital(kind: str, words: str) -> None:
    assert parts.title(kind) == words


def test_a_kind_is_found_in_a_spec_and_its_parts_have_names() -> None:
    disks, modules = parts.LISTS["disks"], parts.LISTS["dimms"]
    spec = {"disks": [{"wwn": "0x5000"}], "memory": None}
    assert disks.within(spec) == [{"wwn": "0x5000"}]
    assert modules.within(spec) is None
    assert disks.name(spec["disks"][0]) == "0x5000"
