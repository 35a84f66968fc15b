"""A test message to a target, from a page or from the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.conf import settings

from notifications import sending
from notifications.message import Message
from notifications.sending import Outcome


def names() -> list[str]:
    return [target.name for target in settings.VETTING.notifications.targets]


def send(targets: Sequence[str]) -> Iterator[Outcome]:
    """One attempt for each target, at once. Yields (target, problem)."""
    base = settings.VETTING.web.link_base
    message = Message("Test", "info", "Vetting: a test message", f"From {base}. Nothing is wrong.", base)
    yield from sending.send_to_all(targets, message)
