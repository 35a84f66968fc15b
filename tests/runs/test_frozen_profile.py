from __future__ import annotations

from typing import Any

import pytest

from runs.frozen_profile import FrozenStage, read
from runs.profiles import load


def test_a_shipped_profile_is_read_with_all_its_values() -> None:
    document = load.load("quick")
    frozen = read(document)
    assert frozen.stages.keys() == document["stages"].keys()
    assert frozen.stages["SMART"].required == document["stages"]["SMART"]["required"]
    assert frozen.sensors == document["sensors"] != {}
    assert frozen.goes_on is (document["on_failure"] == "continue")


@pytest.mark.parametrize("document", [{}, {"stages": None}, {"stages": {"SMART": None}}])
def test_what_an_older_version_did_not_write_has_its_default(document: dict[str, Any]) -> None:
    frozen = read(document)
    assert (frozen.stages.get("SMART", FrozenStage()), frozen.sensors, frozen.goes_on) == (FrozenStage(), {}, False)
