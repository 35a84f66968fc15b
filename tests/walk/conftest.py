"""Debian's Chromium before a rack that boots a machine: the dashboard is reached through a door that can be shut."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, expect

from runs.wording.naming import state_in_words
from tests.browser import axe
from tests.browser.chromium import Chromium
from tests.browser.conftest import chromium  # noqa: F401  the fixture
from tests.e2e.conftest import mark  # noqa: F401  the fixture
from tests.rack.machinefile import Machine
from tests.rack.orchestrator import Profiles
from tests.rack.rack import Rack
from tests.walk.door import Door
from tests.walk.operators import Operator

DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
# A machine that boots beside the browser leaves it little of the processor.
PATIENCE_MS = 30_000
# What htmx and the browser say of requests while the door is shut.
WHILE_AWAY = ("htmx:afterRequest", "htmx:sendError", "htmx:timeout")


@pytest.fixture(autouse=True)
def patience() -> Iterator[None]:
    expect.set_options(timeout=PATIENCE_MS)
    yield
    expect.set_options(timeout=5_000)


@dataclass
class Desk:
    """The rack, its dashboard's address, and all that was wrong with a page that somebody saw."""

    rack: Rack
    door: Door
    password: str
    chromium: Chromium
    faults: list[str]
    close: ExitStack

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.door.port}"

    def operator(self, size: dict[str, Any], *, scripts: bool = True) -> Operator:
        """Logged in, in a browser of their own."""
        context = self.chromium.new_context(base_url=self.url, java_script_enabled=scripts, **size)
        self.close.callback(context.close)
        context.set_default_timeout(PATIENCE_MS)
        context.add_init_script(path=axe.SCRIPT)
        self._listen(context)
        who = Operator(context, self._examine if scripts else _nothing, scripts=scripts, touch="has_touch" in size)
        who.log_in(self.password)
        return who

    def state_in_words(self) -> str:
        """How the run stands, asked beside the network that the browser has."""
        return state_in_words(self.rack.snapshot()["state"])

    def _examine(self, page: Page) -> None:
        """A report is sandboxed and runs no script, axe-core's least of all: a copy of it is looked at."""
        if not page.url.endswith("/report.html"):
            self.faults += [fault for fault in axe.faults(page) if fault not in self.faults]
            return
        copy = page.context.new_page()
        copy.set_content(page.content())
        self.faults += [fault.replace(copy.url, page.url) for fault in axe.faults(copy)]
        copy.close()

    def _listen(self, context: BrowserContext) -> None:
        asked: set[str] = set()
        context.on("request", lambda request: asked.add(request.url) if request.is_navigation_request() else None)
        context.on("request", lambda request: self._is_ours(request.url))
        context.on("console", lambda message: self._hear(message, asked))
        context.on("weberror", lambda error: self.faults.append(str(error.error)))

    def _is_ours(self, address: str) -> None:
        if not address.startswith((self.url, "data:", "blob:")):
            self.faults.append(f"a page asked for {address}")

    def _hear(self, message: ConsoleMessage, asked: set[str]) -> None:
        """Not what axe-core itself tries, nor that a page which somebody went to was answered 409: they look at it."""
        source = message.location["url"]
        answered = source in asked and message.text.startswith("Failed to load resource")
        away = message.text.startswith(WHILE_AWAY) or "net::ERR_" in message.text
        if message.type == "error" and not answered and not away and not source.endswith(axe.SCRIPT.name):
            self.faults.append(message.text)


def _nothing(_page: Page) -> None:
    pass


@pytest.fixture
def desk(chromium: Chromium) -> Callable[..., Any]:  # noqa: F811
    """`with desk(machine, profiles) as at:`; at its end no page had a fault."""

    @contextmanager
    def opened(machine: Machine, profiles: Profiles) -> Iterator[Desk]:
        with Rack(machine, profiles=profiles) as rack, ExitStack() as close:
            door = Door(rack.open_dashboard(0))
            close.callback(door.close)
            at = Desk(rack, door, rack.desk.ask("admin"), chromium, [], close)
            yield at
            assert not at.faults, "\n".join(at.faults)

    return opened
