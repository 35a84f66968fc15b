"""The ways to wake a host, as far as the inventory must know them. The drivers declare them and are registered from
outside (pxe/apps.py), since the inventory imports no driver. Knows no Django: the models read it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hosts import options

DEFAULT = "wol"
"""Of a new host."""

SECRET_PREFIX = "VETTING_BMC_"
"""Environment variables that wake options may name begin with it, so that they can't name another secret."""


@dataclass(frozen=True)
class WakeMethod:
    """What a wake driver declares.

    title: as the inventory's form shows it.
    does: what it does, a few words for the docs.
    options: dataclass of the wake options that it reads (hosts.options).
    slow: it asks another machine and waits for it. It is then done as a job of its own, until it has worked once.
    by_hand: it sends nothing, a person must act. It is then done once.
    """

    title: str
    does: str
    options: type
    slow: bool = False
    by_hand: bool = False


_METHODS: dict[str, WakeMethod] = {}


def register(name: str, method: WakeMethod) -> None:
    """`name` is what `Host.wake_method` holds: the name of the driver's file."""
    _METHODS[name] = method


def every() -> dict[str, WakeMethod]:
    """All ways to wake, by name. The default comes first, those that a person does come last."""
    order = sorted(_METHODS, key=lambda name: (name != DEFAULT, _METHODS[name].by_hand, _METHODS[name].title))
    return {name: _METHODS[name] for name in order}


def choices() -> list[tuple[str, str]]:
    return [(name, method.title) for name, method in every().items()]


def by_hand(name: str) -> bool:
    """Whether a person must wake such a host."""
    return name in _METHODS and _METHODS[name].by_hand


def declared(name: str) -> tuple[options.Option, ...]:
    """The options of this way to wake; none for an unknown way."""
    return options.of(_METHODS[name].options) if name in _METHODS else ()


def all_options() -> Iterator[options.Option]:
    """The options of all ways to wake. Two ways may declare the same key."""
    for name in every():
        yield from declared(name)


def secrets_named(given: dict[str, object] | None) -> list[str]:
    """The environment variables that these wake options name, whatever way to wake they are for."""
    keys = dict.fromkeys(one.key for one in all_options() if one.secret)
    return [name for key in keys if isinstance(name := (given or {}).get(key), str) and name]
