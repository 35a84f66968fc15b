"""The shortened profiles that somebody chooses on a page are the ones that the rack's own runs have."""

from __future__ import annotations

import yaml

from runs.profiles import load as profiles
from tests.rack import durations


def test_short_is_quick_with_every_shortened_value() -> None:
    short = profiles.parse(yaml.safe_dump(durations.as_profiles(durations.SHORT)["short"]), "short.yaml")
    wanted = profiles.apply_overrides(profiles.load("quick"), durations.SHORT)
    assert short["stages"] == wanted["stages"]
    assert short["storage"] == {"mode": "read"}


def test_only_the_one_that_says_so_writes() -> None:
    both = durations.as_profiles({})
    assert [name for name, profile in both.items() if profile.get("storage") == {"mode": "write"}] == ["short-write"]
