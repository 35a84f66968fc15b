"""What the form asks of wake options is what the drivers declare."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hosts import options, wakemethods, wakeoptions
from hosts.wakemethods import Verb
from pxe.wake import shape
from pxe.wake.drivers import DRIVERS
from vetting import config

drivers = pytest.mark.parametrize("name", DRIVERS)


@drivers
def test_every_driver_declares_itself_wholly(name: str) -> None:
    method = DRIVERS[name].METHOD
    assert method.title and method.does and len(name) <= 16
    machine, base = DRIVERS[name].Machine, shape.Machine
    own = {verb for verb in Verb if getattr(machine, verb.name.lower()) is not getattr(base, verb.name.lower())}
    assert own - {Verb.ON} == set(method.verbs) - {Verb.ON}, "it declares what it does, and does what it declares"
    for one in options.of(method.options):
        assert one.kind in options.WORDS and one.help
        assert one.example is None or one.takes(one.example)
        assert one.example is not None or not one.needed
        assert not one.secret or one.example.startswith(wakemethods.SECRET_PREFIX)


@drivers
def test_every_example_is_right(name: str, settings: Any) -> None:
    settings.VETTING = config.parse({"wake": {"commands": {"socket": {"power_on": ["/bin/true"]}}}}, "test")
    assert wakeoptions.problems(name, json.loads(wakeoptions.example(name))) == []


@drivers
def test_the_form_shows_what_a_driver_needs(name: str) -> None:
    method = DRIVERS[name].METHOD
    needed = [one for one in options.of(method.options) if one.needed]
    words = f"{method.title}: {wakeoptions.example(name)}" if needed else f"{method.title} needs none"
    assert method.by_hand or words in wakeoptions.help_text()


@pytest.mark.parametrize("name", ["ipmi", "redfish"])
def test_what_is_missing_is_named_with_an_example(name: str) -> None:
    [problem] = wakeoptions.problems(name, {"user": "vetting"})
    assert problem.endswith(f" missing, such as {wakeoptions.example(name)}") and "password_env" in problem


def test_options_of_another_way_to_wake_may_stay() -> None:
    assert wakeoptions.problems("wol", {"address": "10.0.0.9", "user": "vetting"}) == []


def test_a_secret_is_not_shown_where_options_are_printed() -> None:
    declared = DRIVERS["ipmi"].METHOD.options
    filled = options.read(declared, {"address": "a", "user": "u", "password_env": "X"}, lambda name: "sesame")
    assert "sesame" not in repr(filled)
