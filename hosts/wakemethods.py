"""The ways to wake a host, as far as the inventory must know them. The drivers declare them and are registered from
outside (pxe/apps.py), since the inventory imports no driver. Knows no Django: the models read it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hosts import options

DEFAULT = "wol"
"""Of a new host."""

SECRET_PREFIX = "VETTING_BMC_"
"""Environment variables that wake options may name begin with it, so that they can't name another secret."""


class Verb(StrEnum):
    """What a driver may do with a host's power."""

    ON = "on"
    OFF = "off"  # at once: nothing that runs on it is shut down
    CYCLE = "cycle"  # off and on again
    RESET = "reset"
    STATUS = "status"  # reads whether it is on
    BOOT_NETWORK = "boot-network"  # the next boot, and only that one, is from the network


STOPPING = frozenset((Verb.OFF, Verb.CYCLE, Verb.RESET))
"""The verbs that stop what runs on the host."""

WORDS: Mapping[Verb, str] = {
    Verb.ON: "power on",
    Verb.OFF: "power off",
    Verb.CYCLE: "power cycle",
    Verb.RESET: "reset",
    Verb.STATUS: "power status",
    Verb.BOOT_NETWORK: "boot from the network once",
}


@dataclass(frozen=True)
class Device:
    """What turns a host on and off, as its wake options name it: `address` with a port that is not the usual one, and
    where one address serves several hosts, `system`."""

    address: str
    system: str = ""

    def may_be(self, other: Device) -> bool:
        """Whether the two can be one machine's."""
        return self.address == other.address and (self.system == other.system or not (self.system and other.system))


@dataclass(frozen=True)
class WakeMethod:
    """What a wake driver declares.

    title: as the inventory's form shows it.
    does: what it does to wake a host, a few words for the docs.
    options: dataclass of the wake options that it reads (hosts.options).
    verbs: what it can do. Every driver can turn a host on.
    offers: narrows `verbs` for a host's wake options, where they decide what can be done.
    device: names the device by a host's wake options, where each host has one of its own. No two hosts should.
    slow: it asks another machine and waits for it. It is then done as a job of its own, until it has worked once.
    by_hand: it sends nothing, a person must act. It is then done once.
    """

    title: str
    does: str
    options: type
    verbs: tuple[Verb, ...] = (Verb.ON,)
    offers: Callable[[Mapping[str, Any]], Iterable[Verb]] | None = None
    device: Callable[[Mapping[str, Any]], Device] | None = None
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


def title(name: str) -> str:
    return _METHODS[name].title if name in _METHODS else name


def verbs(name: str, given: Mapping[str, Any] | None = None) -> tuple[Verb, ...]:
    """What can be done with the power of a host that is woken so and has these wake options; none for an unknown
    way."""
    if (method := _METHODS.get(name)) is None:
        return ()
    offered = method.verbs if method.offers is None else set(method.offers(given or {}))
    return tuple(verb for verb in method.verbs if verb in offered)


def device(name: str, given: Mapping[str, Any] | None = None) -> Device | None:
    """The device of a host that is woken so and has these wake options; None if it has none of its own, or its options
    name none."""
    method = _METHODS.get(name)
    if method is None or method.device is None:
        return None
    try:
        found = method.device(given or {})
    except (ValueError, TypeError, AttributeError):  # options that another version, or nobody, has checked
        return None
    return found if found.address else None


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
