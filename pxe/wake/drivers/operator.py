"""A person presses the button: nothing is sent, the run just sees the boot."""

from __future__ import annotations

from dataclasses import dataclass

from hosts.models import Host
from hosts.wakemethods import WakeMethod


@dataclass(frozen=True, kw_only=True)
class Options:
    """None."""


METHOD = WakeMethod(
    title="A person presses the button",
    does="nothing; the run says that somebody must press the button",
    options=Options,
    by_hand=True,
)


def wake(host: Host, options: Options) -> str:
    return f"nothing is sent to {host.name}: press its power button; it must boot from the network"
