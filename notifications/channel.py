"""What every channel has in common. Knows no Django: vetting.yaml is checked by the channels before Django starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from notifications.message import Message


class DeliveryFailed(Exception):
    """The text says what the other side did, in a sentence. It never has the path of an address, since a webhook's path
    is a secret."""


@dataclass(frozen=True)
class Service:
    """What a channel declares.

    title: the service's name, for docs.
    options: dataclass of the keys that a target of this kind has beside `name` and `kind` (hosts.options).
    retry_after_s: for receivers that are programs: how long after each failure it is tried again, in seconds. The
        receiver must notice by the message's id if it gets one twice. A person gets each message once at most.
    """

    title: str
    options: type
    retry_after_s: tuple[int, ...] = ()


class Channel(Protocol):
    """A file of notifications/channels."""

    SERVICE: Service

    def send(self, options: Any, message: Message, timeout_s: float) -> None:
        """Send once. `options` is SERVICE.options, filled in. Raises DeliveryFailed with the reason."""
        ...
