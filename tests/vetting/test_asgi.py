"""The web process around its applications: requests don't see each other, and all of them end before it does."""

from __future__ import annotations

import contextlib
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests import factories
from tests.runs.conftest import PASSWORD, web  # noqa: F401  the fixture
from tests.runs.webprocess import WebProcess

pytestmark = pytest.mark.django_db(transaction=True)


def statuses(port: int, *requests: bytes) -> list[bytes]:
    """Send all of them before reading anything, so that the second waits while the first is answered."""
    found: list[bytes] = []
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"".join(requests))
        answers = connection.makefile("rb")
        while len(found) < len(requests) and (line := answers.readline()):
            if b"HTTP/1.1 " in line:  # the first answer's body may end without a newline
                found.append(line.partition(b"HTTP/1.1 ")[2].split()[0])
    return found


def test_a_stream_opens_right_behind_a_page(web: WebProcess) -> None:  # noqa: F811
    run = factories.in_smart()
    operator = web.log_in("operator", PASSWORD)
    cookie = "; ".join(f"{name}={value}" for name, value in operator.cookies.items())
    common = f"Host: 127.0.0.1:{web.port}\r\nCookie: {cookie}\r\n\r\n"
    page = f"GET {run.get_absolute_url()} HTTP/1.1\r\n{common}".encode()
    stream = f"GET /events/?channel=run-{run.pk} HTTP/1.1\r\n{common}".encode()
    assert statuses(web.port, page, stream) == [b"200", b"200"]
    assert "Traceback" not in (web.folder / "web.log").read_text()


def keep_asking(client: httpx.Client, path: str, began: threading.Event) -> None:
    """Until the web process is gone: there is always a request under way."""
    with contextlib.suppress(httpx.TransportError):
        while True:
            assert client.get(path).status_code == 200
            began.set()


def test_it_ends_cleanly_ten_times_of_ten_with_pages_open_and_requests_under_way(web: WebProcess) -> None:  # noqa: F811
    run = factories.in_smart()
    operator = web.log_in("operator", PASSWORD)
    for _ in range(10):
        with ThreadPoolExecutor() as pool, contextlib.ExitStack() as pages:
            for channel in ("dash", f"run-{run.pk}", f"run-{run.pk}"):
                stream = pages.enter_context(operator.stream("GET", f"/events/?channel={channel}"))
                next(stream.iter_lines())
            began = [threading.Event() for _ in range(3)]
            work = [pool.submit(keep_asking, operator, run.get_absolute_url(), one) for one in began]
            assert all(one.wait(30) for one in began)
            assert web.stop() == 0
        for done in work:
            done.result()
        web.start()
    said = (web.folder / "web.log").read_text()
    assert "Traceback" not in said, said[-3000:]
