"""One file for each way to reach a person, named as `kind` of a target has it. Each is found by being here;
docs/adding-a-channel.md says how to add one. A channel is imported when vetting.yaml has a target of its kind."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from typing import cast

from notifications.channel import Channel

NAMES = tuple(found.name for found in pkgutil.iter_modules(__path__))


@cache
def channel(name: str) -> Channel:
    """Raises KeyError for a name that is not in NAMES."""
    if name not in NAMES:
        raise KeyError(name)
    return cast(Channel, import_module(f"{__name__}.{name}"))
