"""Files of runs, sent by a real web process to readers that are slow, fast, or gone."""

from __future__ import annotations

import socket
from contextlib import ExitStack, closing
from importlib.util import find_spec
from pathlib import Path

import httpx
import psutil
import pytest
from django.contrib.auth import get_user_model
from django.db import connection

from runs.models import Artifact, Run
from tests import factories
from tests.runs.conftest import shared_web, web_of_the_file  # noqa: F401  fixtures
from tests.runs.webprocess import WebProcess, database_url

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
LENGTH = 48 * 2**20


def a_large_log(web: WebProcess) -> str:
    """Its address. (It has holes: it takes no room.)"""
    run = factories.passed()
    path = web.folder / "runs" / str(run.pk) / "run.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(LENGTH)
    return f"/runs/{run.pk}/run.log"


@pytest.fixture
def log(shared_web: WebProcess) -> str:  # noqa: F811
    return a_large_log(shared_web)


def cookie(web: WebProcess) -> str:
    made = web.session_of(get_user_model().objects.get())
    return f"{made['name']}={made['value']}"


def ask(web: WebProcess, path: str) -> socket.socket:
    """Reads the answer's head and nothing more."""
    connection = socket.create_connection(("127.0.0.1", web.port), timeout=120)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie(web)}\r\n\r\n".encode())
    assert connection.recv(12) == b"HTTP/1.1 200"
    return connection


def test_six_downloads_that_nobody_takes_hold_little_memory_and_no_thread(shared_web: WebProcess, log: str) -> None:  # noqa: F811
    assert shared_web.process is not None
    process = psutil.Process(shared_web.process.pid)
    with ExitStack() as stack:
        stack.enter_context(closing(ask(shared_web, log)))
        before = process.memory_info().rss
        for _ in range(6):
            stack.enter_context(closing(ask(shared_web, log)))
        page = httpx.get(
            f"{shared_web.url}{log.replace('run.log', '')}", headers={"Cookie": cookie(shared_web)}, timeout=60
        )
        assert page.status_code == 200
        assert process.memory_info().rss - before < LENGTH


@pytest.mark.skipif(find_spec("uvicorn") is None, reason="pip install --require-hashes -r requirements/uvicorn.txt")
def test_the_same_with_uvicorn(transactional_db: None, tmp_path: Path) -> None:
    factories.UserFactory()
    web = WebProcess(tmp_path, database_url(connection.settings_dict), server="uvicorn")
    web.start()
    try:
        path = a_large_log(web)
        with ExitStack() as stack:
            stack.enter_context(closing(ask(web, path)))
            process = psutil.Process(web.process.pid if web.process else 0)
            before = process.memory_info().rss
            for _ in range(6):
                stack.enter_context(closing(ask(web, path)))
            got = httpx.get(f"{web.url}{path}", headers={"Cookie": cookie(web)}, timeout=120)
            assert len(got.content) == LENGTH and process.memory_info().rss - before < LENGTH
    finally:
        web.stop()


def test_a_file_comes_whole_and_does_not_say_where_it_lies(shared_web: WebProcess, log: str) -> None:  # noqa: F811
    headers = {"Cookie": cookie(shared_web)}
    got = httpx.get(f"{shared_web.url}{log}", headers=headers, timeout=120)
    assert len(got.content) == LENGTH and got.headers["content-type"] == "text/plain; charset=utf-8"
    assert got.headers["content-disposition"].startswith("attachment; filename=")
    assert got.headers["x-content-type-options"] == "nosniff" and "x-vetting-file" not in got.headers
    asked = httpx.head(f"{shared_web.url}{log}", headers=headers, timeout=60)
    assert asked.headers["content-length"] == str(LENGTH) and not asked.content


def test_the_report_keeps_its_policy_and_a_file_that_is_gone_is_404(shared_web: WebProcess) -> None:  # noqa: F811
    run, headers = factories.passed(), {"Cookie": cookie(shared_web)}
    folder = shared_web.folder / "runs" / str(run.pk)
    folder.mkdir(parents=True, exist_ok=True)
    Artifact.objects.update_or_create(
        run=run, name="report.html", defaults={"path": f"{run.pk}/report.html", "size": 4}
    )
    url = f"{shared_web.url}/runs/{run.pk}/report.html"
    (folder / "report.html").unlink(missing_ok=True)
    assert httpx.get(url, headers=headers, timeout=60).status_code == 404
    (folder / "report.html").write_text("<p>é")
    got = httpx.get(url, headers=headers, timeout=60)
    assert got.text == "<p>é" and "sandbox" in got.headers["content-security-policy"]
    assert httpx.get(url, timeout=60).status_code == 302, "and nobody else gets it"
    assert Run.objects.count() == 1
