"""Agents' frequent calls on daphne's connections: answered without ASGI, with the answer that ASGI gives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from agentapi import endpoint, hot
from tests.front.conftest import Connect
from vetting.front import agents

CALL = "/api/v1/runs/12/heartbeat"


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[endpoint.Request]:
    """The calls that are answered."""
    seen: list[endpoint.Request] = []

    async def reply(request: endpoint.Request) -> endpoint.Answer:
        seen.append(request)
        await asyncio.sleep(0)
        return endpoint.Answer(200, b'{"seq":1}') if request.bearer else endpoint.problem(503, "overloaded")

    monkeypatch.setattr(hot, "reply", reply)
    return seen


def in_a_loop(act: Callable[[], None]) -> None:
    async def run() -> None:
        act()
        await agents.answering.end(limit_s=5)

    asyncio.run(run())


def test_a_call_is_answered_without_an_application(
    connect: Connect,
    server: SimpleNamespace,
    requests: list[endpoint.Request],
) -> None:
    peer = connect()

    def act() -> None:
        peer.head(CALL, "Content-Length: 2", "Authorization: Bearer vt1.token")
        peer.send(b"{}")

    in_a_loop(act)
    assert requests == [endpoint.Request("heartbeat", 12, "vt1.token", b"{}", "10.77.0.23")]
    head, _, body = peer.answer.partition(b"\r\n\r\n")
    assert peer.status == 200 and body == b'{"seq":1}' and b"cache-control: no-store" in head.lower()
    assert not server.scopes and not server.http_factory.bodies.strangers.all


@pytest.mark.usefixtures("requests")
def test_a_refusal_for_overload_says_when_to_come_back(connect: Connect) -> None:
    peer = connect()
    in_a_loop(lambda: peer.head(CALL, "Content-Length: 0"))
    assert peer.status == 503 and b"retry-after: 5" in peer.answer.lower()


def test_an_agent_that_hangs_up_meanwhile_gets_nothing(
    connect: Connect,
    server: SimpleNamespace,
    requests: list[endpoint.Request],
) -> None:
    peer = connect()

    def act() -> None:
        peer.head(CALL, "Content-Length: 0")
        peer.channel.connectionLost()

    in_a_loop(act)
    assert len(requests) == 1 and not peer.answer and not server.http_factory.connections.all


@pytest.mark.parametrize("path", ["/api/v1/runs/12/result", "/api/v1/runs/x/log", f"{CALL}?a=1", f"{CALL}/"])
def test_all_other_requests_go_to_the_application(
    connect: Connect,
    server: SimpleNamespace,
    requests: list[endpoint.Request],
    path: str,
) -> None:
    in_a_loop(lambda: connect().head(path, "Content-Length: 0"))
    assert [scope["path"] for scope in server.scopes] == [path.partition("?")[0]] and not requests
