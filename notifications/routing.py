"""Which targets receive a message. Pure: takes the configuration's routes, returns names."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any, NamedTuple, Protocol


class Route(Protocol):
    """An empty list of kinds, severities, hosts or tags means all of them. Hosts are patterns such as `pve-*`. Of tags,
    the host needs one."""

    @property
    def kinds(self) -> list[Any]: ...
    @property
    def severities(self) -> list[Any]: ...
    @property
    def hosts(self) -> list[str]: ...
    @property
    def tags(self) -> list[str]: ...
    @property
    def to(self) -> list[str]: ...


class About(NamedTuple):
    """The host that a message is about."""

    name: str = ""
    tags: frozenset[str] = frozenset()


NO_HOST = About()


def targets(routes: Iterable[Route], kind: str, severity: str, host: About = NO_HOST) -> list[str]:
    """Names of the targets for one message, each once, in the order in which the routes name them."""
    named = (name for route in routes if _covers(route, kind, severity, host) for name in route.to)
    return list(dict.fromkeys(named))


def _covers(route: Route, kind: str, severity: str, host: About) -> bool:
    if route.hosts and not any(fnmatchcase(host.name, pattern) for pattern in route.hosts):
        return False
    if route.tags and host.tags.isdisjoint(route.tags):
        return False
    return (not route.kinds or kind in route.kinds) and (not route.severities or severity in route.severities)
