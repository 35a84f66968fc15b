"""The web process ends at SIGTERM at once and with status 0, whatever pages are open."""

from __future__ import annotations

from contextlib import ExitStack

import httpx
import pytest

from tests import factories
from tests.runs.conftest import PASSWORD
from tests.runs.webprocess import WebProcess

pytestmark = pytest.mark.slow

ROUNDS = 10
PAGES = 8


@pytest.mark.django_db(transaction=True)
def test_it_stops_ten_times_of_ten_with_pages_open(web: WebProcess) -> None:
    """Each client keeps an idle connection beside its stream, as a browser does."""
    run = factories.in_storage()
    client = web.log_in("operator", PASSWORD)
    statuses = []
    for number in range(ROUNDS):
        if number:
            web.start()
        with ExitStack() as stack:
            for page in range(PAGES):
                _open_page(stack, web, client.cookies, f"run-{run.pk}" if page % 2 else "dash")
            statuses.append(web.stop(limit_s=5))
    assert statuses == [0] * ROUNDS, (web.folder / "web.log").read_text()[-3000:]


def _open_page(stack: ExitStack, web: WebProcess, cookies: httpx.Cookies, channel: str) -> None:
    browser = stack.enter_context(httpx.Client(base_url=web.url, cookies=cookies, timeout=10))
    assert browser.get("/").status_code == 200
    assert browser.get("/livez").status_code == 200
    stream = stack.enter_context(browser.stream("GET", "/events/", params={"channel": channel}))
    assert stream.status_code == 200
    lines = stream.iter_lines()
    assert any(line == "event: stream-open" for line in lines)
    assert browser.get("/livez").status_code == 200  # a second connection, idle from here on
