"""What the form asks of wake options is what the drivers read."""

from __future__ import annotations

import inspect
import json
import re

import pytest

from hosts import wakeoptions
from hosts.models import WakeMethod
from pxe.wake import DRIVERS


@pytest.mark.parametrize("method", WakeMethod.values)
def test_the_options_are_those_that_the_driver_reads(method: str) -> None:
    source = inspect.getsource(DRIVERS[method])
    needed = set(re.findall(r'\boption\((?:self\.)?host, "(\w+)"\)', source))
    needed |= {"password_env"} if "password(host)" in source else set()
    optional = set(re.findall(r'wake_options or \{\}\)\.get\("(\w+)"', source))
    options = wakeoptions.OPTIONS[method]
    assert (set(options.needed), set(options.optional)) == (needed, optional)


@pytest.mark.parametrize("method", WakeMethod.values)
def test_every_example_is_right(method: str) -> None:
    assert wakeoptions.problems(method, json.loads(wakeoptions.OPTIONS[method].example)) == []


def test_options_of_another_way_to_wake_may_stay() -> None:
    assert wakeoptions.problems(WakeMethod.WOL, {"address": "10.0.0.9", "user": "vetting"}) == []
