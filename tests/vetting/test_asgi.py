"""The web process around its applications: what one request leaves behind, the next must not find."""

from __future__ import annotations

import socket

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
