"""What every way to wake has in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from django.conf import settings

from hosts.models import Host


class WakeProblem(Exception):
    """The machine could not be woken; the message names the device, what was seen, and who must act."""


@dataclass(frozen=True)
class Sent:
    """What was done, in words. `by_hand`: nothing was sent, a person must act."""

    detail: str
    by_hand: bool = False


class Driver(Protocol):
    LIMIT: int | None
    SLOW: bool

    def wake(self, host: Host) -> Sent: ...


def option(host: Host, name: str) -> str:
    """A text of the host's wake options. Raises WakeProblem when it is missing."""
    value: Any = (host.wake_options or {}).get(name)
    if not isinstance(value, str) or not value:
        raise WakeProblem(f"{host.name}: wake options have no {name!r}: add it on the host's page")
    return value


def password(host: Host) -> str:
    """From the environment variable that `password_env` names: it must begin with VETTING_BMC_, so that a
    host's options can't send another secret to an address of their own. Raises WakeProblem."""
    name = option(host, "password_env")
    if not settings.BMC_PASSWORDS.get(name):
        raise WakeProblem(
            f"{host.name}: the environment has no {name}: set it for web and worker (names begin with VETTING_BMC_)"
        )
    return settings.BMC_PASSWORDS[name]
