"""A person presses the button: nothing is sent, the run just sees the boot."""

from __future__ import annotations

from hosts.models import Host
from pxe.wake.shape import Sent

LIMIT: int | None = 1
SLOW = False


def wake(host: Host) -> Sent:
    return Sent(f"nothing is sent to {host.name}: press its power button; it must boot from the network", by_hand=True)
