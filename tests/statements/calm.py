"""What surrounds a call while its statements fail: a bench that is fit, whose web answers, and that nothing leaves."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from django.test import override_settings

from notifications import sending
from pxe.wake.drivers import wol
from runs import outages
from runs.bench import fitness
from runs.database import clock
from tests.statements import state
from vetting import config

_TARGET = {"name": "phone", "kind": "ntfy", "url": "https://ntfy.test/bench"}
_CONFIG = {"notifications": {"targets": [_TARGET], "routes": [{"to": ["phone"]}]}}


@contextmanager
def calm() -> Iterator[None]:
    """What fails on purpose says so to nobody."""
    with ExitStack() as stack:
        stack.enter_context(override_settings(VETTING=config.parse(_CONFIG, "test")))
        stack.enter_context(patch.object(fitness, "_shortage_now", lambda most: None))
        stack.enter_context(patch.object(outages, "web_answers", lambda: True))
        stack.enter_context(patch.object(wol.Machine, "on", lambda machine: f"magic packet to {machine.host.name}"))
        stack.enter_context(patch.object(sending, "send_to_all", _sent))
        stack.enter_context(patch.object(clock, "ahead_s", _clocks_agree))
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)


def _clocks_agree() -> float:
    """Our clock is set back for each fault, that of a PostgreSQL server goes on."""
    clock.read()
    return 0.0


def _sent(names: list[str], message: Any) -> Iterator[tuple[str, str]]:
    for name in names:
        state.SENT.append(f"{name}: {message.title}")
        yield name, ""
