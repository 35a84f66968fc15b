"""Attacks on a real web process, smaller than `python -m tests.front.attack`, and what is left for others meanwhile."""

from __future__ import annotations

import threading
from contextlib import ExitStack, closing
from typing import Any

import httpx
import pytest
from django.contrib.auth.hashers import BCryptSHA256PasswordHasher

from tests import factories
from tests.front import attack
from tests.runs.conftest import web  # noqa: F401  the fixture
from tests.runs.webprocess import WebProcess

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


class Slow(BCryptSHA256PasswordHasher):
    """Eight times the work of the usual one: what is checked with it stays under way for seconds."""

    rounds = 15


def test_a_hundred_gigabytes_are_refused_and_leave_nothing_on_the_disk(web: WebProcess) -> None:  # noqa: F811
    assert web.process is not None
    before = attack.held_in_files(web.process.pid)
    found = attack.large_bodies(web, connections=6, each=3_000_000)
    assert found["bytes_in_files"] == before
    assert [line.split()[1] for line in found["answers"]] == ["413"] * 6


def test_many_connections_of_one_address_leave_the_others_theirs(web: WebProcess) -> None:  # noqa: F811
    with ExitStack() as stack:
        opened = [stack.enter_context(closing(attack.connect(web.port))) for _ in range(300)]
        for one in opened:
            one.sendall(b"GET /lo")
        assert httpx.get(f"{web.url}/livez", timeout=20).status_code == 200
        assert sum(attack.is_open(one) for one in opened) == 256
    assert "127.0.0.2 has 256 connections: no more than 256 at once" in (web.folder / "web.log").read_text()


def test_bodies_that_neighbours_hold_refuse_no_heartbeat(web: WebProcess) -> None:  # noqa: F811
    with attack.bodies_of_neighbours(web):
        reply = httpx.post(f"{web.url}/api/v1/runs/1/heartbeat", content=b"x" * 4096, timeout=20)
        assert reply.status_code == 401, "not 503: it came as far as its token"
        assert attack.status_of_body(web) == 503, "all was held meanwhile"


def test_agents_and_livez_are_answered_before_any_password_has_been_checked(web: WebProcess) -> None:  # noqa: F811
    factories.UserFactory(username="slow", password=Slow().encode("a password", Slow().salt()))
    answered: list[int] = []
    until = threading.Event()
    threads = [
        threading.Thread(target=attack.try_to_log_in, args=(web, "slow", f"127.0.1.{n}", until, answered), daemon=True)
        for n in range(1, 6)
    ]
    for thread in threads:
        thread.start()
    try:
        assert [_status(web, *call) for call in attack.ASKED.values()] == [200, 401, 401]
        assert httpx.get(f"{web.url}/login/", timeout=20).status_code == 200
        assert not answered, "asked while the passwords were under way, and not after them"
    finally:
        until.set()
        web.process.kill()  # it would check the passwords first
        web.process.wait()


def _status(web: WebProcess, method: str, path: str) -> Any:  # noqa: F811
    return httpx.request(method, f"{web.url}{path}", timeout=20).status_code
