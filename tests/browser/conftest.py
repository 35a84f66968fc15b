"""Debian's Chromium, driven by Playwright, against a real web process."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone
from playwright.sync_api import ConsoleMessage, Page, expect, sync_playwright

from tests import factories
from tests.browser.chromium import CHROMIUM, Chromium
from tests.runs.conftest import shared_web, web_of_the_file  # noqa: F401  the fixtures
from tests.runs.webprocess import WebProcess

PATIENCE_MS = 20_000
# What htmx and the browser say of requests to a web process that a test has stopped.
WHILE_AWAY = ("htmx:afterRequest", "htmx:sendError")


@pytest.fixture(scope="module", autouse=True)
def async_unsafe() -> Iterator[None]:
    """Playwright's own event loop runs in this thread; Django would refuse the ORM beside it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        yield


@pytest.fixture(autouse=True)
def patience() -> Iterator[None]:
    """What a page is to show may come late on a busy machine: no test here is one of speed."""
    expect.set_options(timeout=PATIENCE_MS)
    yield
    expect.set_options(timeout=5_000)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    """One per file: while it is there, no other test of its process could start an event loop."""
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is missing: apt-get install chromium-headless-shell")
    with sync_playwright() as playwright:
        browser = Chromium(playwright)
        yield browser
        browser.close()


@pytest.fixture
def web(shared_web: WebProcess) -> WebProcess:  # noqa: F811
    return shared_web


@pytest.fixture
def page(chromium: Chromium, web: WebProcess) -> Iterator[Page]:
    """Logged in. Whatever the browser complained about (CSP above all) fails the test at its end."""
    factories.worker_at_work(timezone.now() + timedelta(days=1))
    context = chromium.new_context(base_url=web.url, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    complaints: list[str] = []
    pages: set[str] = set()
    page.on("request", lambda request: pages.add(request.url) if request.is_navigation_request() else None)
    page.on("console", lambda message: complaints.append(message.text) if _is_fault(message, pages) else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    foreign: list[str] = []
    page.on("request", lambda request: foreign.append(request.url) if not _ours(request.url, web.url) else None)
    context.add_cookies([web.session_of(get_user_model().objects.get(username="operator"))])
    page.goto("/")
    page.wait_for_selector("#connection[data-state=live]")
    yield page
    context.close()
    assert foreign == []
    assert [text for text in complaints if not text.startswith(WHILE_AWAY) and "net::ERR_" not in text] == []


def _is_fault(message: ConsoleMessage, pages: set[str]) -> bool:
    """Not that a page which a test went to was answered 404 or 409, which the test looks at itself; nor what axe-core
    tries of its own."""
    where = message.location["url"]
    expected = where in pages and message.text.startswith("Failed to load resource")
    return message.type == "error" and not expected and not where.endswith("axe.min.js")


def _ours(address: str, base: str) -> bool:
    return address.startswith((base, "data:", "blob:"))
