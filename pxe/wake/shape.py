"""What every wake driver has in common."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

from django.conf import settings

from hosts import options
from hosts.models import Host
from hosts.wakemethods import SECRET_PREFIX, WakeMethod

T = TypeVar("T")


class WakeProblem(Exception):
    """The machine could not be woken; the message names the device, what was seen, and who must act."""


class Driver(Protocol):
    """A file of pxe/wake/drivers."""

    METHOD: WakeMethod

    def wake(self, host: Host, options: Any) -> str:
        """Wake the host once. `options` is METHOD.options, filled in. Returns what was done, a few words for the run's
        history. Raises WakeProblem."""
        ...


def options_of(host: Host, declared: type[T]) -> T:
    """The host's wake options as the driver declares them, secrets read from the environment. Raises WakeProblem."""

    def value_of(variable: str) -> str:
        secret: str = settings.BMC_PASSWORDS.get(variable, "")
        if not secret:
            raise WakeProblem(
                f"{host.name}: the environment has no {variable}: set it for web and worker (names begin with "
                f"{SECRET_PREFIX})"
            )
        return secret

    given = host.wake_options or {}
    if missing := options.missing(declared, given):
        raise WakeProblem(f"{host.name}: wake options have no {missing[0]!r}: add it on the host's form")
    try:
        return options.read(declared, given, value_of)
    except options.OptionProblem as problem:
        raise WakeProblem(
            f"{host.name}: wake options: {problem.key} {problem}: correct it on the host's form"
        ) from None
