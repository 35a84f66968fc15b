"""A connection of daphne's without a network: real bytes into it, over a clock that is turned by hand."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from vetting.front.channel import Channel, Factory

Connect = Callable[..., "Peer"]


class Transport(StringTransport):
    half_closed = aborted = False

    def loseWriteConnection(self) -> None:
        self.half_closed = True

    def abortConnection(self) -> None:
        self.aborted = True


class Peer:
    """The other side of one connection."""

    def __init__(self, connection: Channel, clock: Clock, address: Any) -> None:
        self.channel, self.clock, self.transport = connection, clock, Transport(peerAddress=address)
        connection.makeConnection(self.transport)

    def send(self, data: bytes) -> None:
        self.channel.dataReceived(data)

    def head(self, path: str, *headers: str) -> None:
        self.send("\r\n".join((f"POST {path} HTTP/1.1", "Host: vetting", *headers, "", "")).encode())

    @property
    def answer(self) -> bytes:
        return self.transport.value()

    @property
    def status(self) -> int:
        return int(self.answer.split()[1]) if self.answer else 0


@pytest.fixture
def server() -> SimpleNamespace:
    """As much of daphne's as a connection asks for; `scopes` are the requests that reach an application."""
    scopes: list[dict[str, Any]] = []

    def create_application(_: Any, scope: dict[str, Any]) -> Any:
        scopes.append(scope)
        return SimpleNamespace(put_nowait=lambda message: None)

    server = SimpleNamespace(
        scopes=scopes, create_application=create_application, protocol_connected=lambda _: None, root_path="",
        protocol_disconnected=lambda _: None, proxy_forwarded_address_header=None, request_buffer_size=8192,
        server_name="", log_action=lambda *_: None,
    )  # fmt: skip
    server.http_factory = Factory(server)
    return server


@pytest.fixture
def clock(server: SimpleNamespace) -> Clock:
    server.http_factory.reactor = clock = Clock()
    return clock


@pytest.fixture
def connect(server: SimpleNamespace, clock: Clock) -> Connect:
    def one(address: str = "10.77.0.23") -> Peer:
        peer = IPv4Address("TCP", address, 40000)
        return Peer(server.http_factory.buildProtocol(peer), clock, peer)

    return one
