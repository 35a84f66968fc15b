"""One message to several targets at once, each within one limit of time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from django.conf import settings

from hosts import options
from notifications import channels
from notifications.channel import DeliveryFailed
from notifications.message import Message

LIMIT_S = 10.0

Outcome = tuple[str, str]


def send_to_all(names: Sequence[str], message: Message) -> Iterator[Outcome]:
    """Yields (target, problem) as each attempt ends; the problem is empty if the message was sent.

    A socket's time
        limit starts again with every byte and does not cover name resolution. So each attempt has a thread, which is
        abandoned after LIMIT_S.
    """
    done: SimpleQueue[Outcome] = SimpleQueue()
    for name in names:
        threading.Thread(target=lambda n=name: done.put((n, _attempt(n, message))), daemon=True).start()
    waiting, ends = set(names), time.monotonic() + LIMIT_S
    while waiting:
        try:
            name, problem = done.get(timeout=max(0.0, ends - time.monotonic()))
        except Empty:
            break
        waiting.discard(name)
        yield name, problem
    yield from ((name, f"no answer within {LIMIT_S:g} s") for name in sorted(waiting))


def _attempt(name: str, message: Message) -> str:
    """Send once. Returns the problem in a sentence, or nothing. An exception that the channel did not expect is our
    bug: only its type is named, since its text may contain an address with a token."""
    try:
        target = find(name)
        channel = channels.channel(target.kind)
        channel.send(options.read(channel.SERVICE.options, target.given, secret), message, LIMIT_S)
    except DeliveryFailed as problem:
        return str(problem)
    except Exception as error:
        return f"not sent, by a fault of ours ({type(error).__name__})"
    return ""


class Target(Protocol):
    """A `notifications.targets` entry of vetting.yaml. `given` is what stands in it beside its name and kind."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def given(self) -> dict[str, Any]: ...


def find(name: str) -> Target:
    for target in settings.VETTING.notifications.targets:
        if target.name == name:
            return target
    raise DeliveryFailed(f"vetting.yaml has no target {name!r} any more")


def secret(variable: str) -> str:
    """The value of an environment variable that a target names. Raises DeliveryFailed if it is missing."""
    found: str = settings.TARGET_SECRETS.get(variable, "")
    if not found:
        raise DeliveryFailed(f"the environment has no {variable}; set it in secrets.env and restart")
    return found
