"""The one shape of a channel: a module with `KIND` and `send`."""

from __future__ import annotations

from typing import Protocol

from notifications.kinds import Message


class DeliveryFailed(Exception):
    """What the other side did, in a sentence, without the path of an address: a webhook's is a secret."""


class Target(Protocol):
    """A `notifications.targets` entry of vetting.yaml. `kind` decides which of the fields count."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def token_env(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def starttls(self) -> bool: ...
    @property
    def user(self) -> str: ...
    @property
    def sender(self) -> str: ...
    @property
    def to(self) -> list[str]: ...


class Channel(Protocol):
    KIND: str

    def send(self, target: Target, secret: str, message: Message, timeout_s: float) -> None:
        """One attempt. Raises DeliveryFailed with the reason."""
        ...
