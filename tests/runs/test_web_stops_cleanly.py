"""The web process ends at SIGTERM at once and with status 0, whatever pages are open and asked for."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests import factories
from tests.runs.conftest import PASSWORD
from tests.runs.webprocess import WebProcess

pytestmark = pytest.mark.slow

ROUNDS = 10
PAGES = 8
ASKING = 3


@pytest.mark.django_db(transaction=True)
def test_it_stops_ten_times_of_ten_with_pages_open(web: WebProcess) -> None:
    """Each page keeps an idle connection beside its stream, as a browser does, and others are being answered."""
    run = factories.in_storage()
    client = web.log_in("operator", PASSWORD)
    statuses = []
    for number in range(ROUNDS):
        if number:
            web.start()
        with contextlib.ExitStack() as stack:
            for page in range(PAGES):
                _open_page(stack, web, client.cookies, f"run-{run.pk}" if page % 2 else "dash")
            stack.enter_context(_requests_under_way(client, run.get_absolute_url()))
            statuses.append(web.stop(limit_s=10))
    said = (web.folder / "web.log").read_text()
    assert statuses == [0] * ROUNDS, said[-3000:]
    assert "Traceback" not in said, said[-3000:]


def _open_page(stack: contextlib.ExitStack, web: WebProcess, cookies: httpx.Cookies, channel: str) -> None:
    browser = stack.enter_context(httpx.Client(base_url=web.url, cookies=cookies, timeout=10))
    assert browser.get("/").status_code == 200
    assert browser.get("/livez").status_code == 200
    stream = stack.enter_context(browser.stream("GET", "/events/", params={"channel": channel}))
    assert stream.status_code == 200
    lines = stream.iter_lines()
    assert any(line == "event: stream-open" for line in lines)
    assert browser.get("/livez").status_code == 200  # a second connection, idle from here on


@contextlib.contextmanager
def _requests_under_way(client: httpx.Client, path: str) -> Iterator[None]:
    """From the first answer until the web process is gone, at every moment."""
    with ThreadPoolExecutor() as pool:
        began = [threading.Event() for _ in range(ASKING)]
        work = [pool.submit(_keep_asking, client, path, one) for one in began]
        assert all(one.wait(30) for one in began)
        yield
    for done in work:
        done.result()


def _keep_asking(client: httpx.Client, path: str, began: threading.Event) -> None:
    with contextlib.suppress(httpx.TransportError):
        while True:
            assert client.get(path).status_code == 200
            began.set()
