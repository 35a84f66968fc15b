"""The web process ends at SIGTERM at once and with status 0, whatever pages are open and asked for."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest
from django.db import connection

from tests import factories
from tests.runs.conftest import PASSWORD
from tests.runs.webprocess import WebProcess, database_url

pytestmark = pytest.mark.slow

ROUNDS = 4
PAGES = 8
ASKING = 3
STREAMS = 100


@pytest.mark.django_db(transaction=True)
def test_it_stops_every_time_with_pages_open(web: WebProcess) -> None:
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


@pytest.mark.skipif(find_spec("uvicorn") is None, reason="pip install --require-hashes -r requirements/uvicorn.txt")
@pytest.mark.django_db(transaction=True)
def test_uvicorn_ends_a_hundred_streams_before_it_waits_for_anything(tmp_path: Path) -> None:
    """Each stream gets its last chunk. If uvicorn had to cancel them after its time limit, it would say so."""
    run = factories.in_storage()
    web = WebProcess(tmp_path, database_url(connection.settings_dict), server="uvicorn")
    web.start()
    try:
        cookies = [web.session_of(factories.UserFactory(username=f"ada-{n}"))["value"] for n in range(2)]
        with contextlib.ExitStack() as stack:
            streams = [
                stack.enter_context(_open_stream(web.port, cookies[n % 2], f"run-{run.pk}&with=parts"))
                for n in range(STREAMS)
            ]
            status = web.stop(limit_s=30)
            ends = [_rest(stream) for stream in streams]
    finally:
        if web.is_running():
            web.stop()
    said = (web.folder / "web.log").read_text()
    assert [end[-5:] for end in ends] == [b"0\r\n\r\n"] * STREAMS
    assert (status, said) == (-signal.SIGTERM, "")


@contextlib.contextmanager
def _open_stream(port: int, session: str, channel: str) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        head = f"GET /events/?channel={channel} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: sessionid={session}\r\n\r\n"
        client.sendall(head.encode())
        said = b""
        while b"stream-open" not in said:
            more = client.recv(65536)
            assert more, said
            said += more
        yield client


def _rest(client: socket.socket) -> bytes:
    """All that the server sends until it closes the connection."""
    said = b""
    while more := client.recv(65536):
        said += more
    return said


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
