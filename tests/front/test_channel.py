"""daphne's connections with bounds: real bytes into a real connection, over a clock that is turned by hand."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.signed_cookies import SessionStore
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock

from agentapi import hot
from runs import tokens
from runs.live.hub import MOST_WAITING_BYTES
from tests.front.conftest import Connect, Peer
from vetting.front import bodies, channel
from vetting.front.channel import Request

LIMIT = settings.AGENT_BODY_LIMIT_BYTES


def session(**data: str) -> str:
    store = SessionStore()
    store.update(data)
    store.save()
    return f"Cookie: {settings.SESSION_COOKIE_NAME}={store.session_key}"


def test_a_body_that_is_announced_too_large_is_refused_before_a_byte_of_it_came(
    connect: Connect, server: SimpleNamespace
) -> None:
    peer = connect()
    peer.head("/login/", "Content-Length: 100000000000", "Expect: 100-continue")
    assert peer.status == 413 and f"more than {LIMIT} bytes".encode() in peer.answer
    assert peer.transport.half_closed and not server.scopes and not server.http_factory.bodies.strangers.all


def test_an_agent_is_refused_in_json(connect: Connect) -> None:
    peer = connect()
    peer.head("/api/v1/runs/1/result", f"Content-Length: {LIMIT + 1}")
    assert peer.status == 413 and b'{"error": "more than' in peer.answer


def test_a_body_of_unknown_length_is_refused_where_it_passes_the_limit(
    connect: Connect, server: SimpleNamespace
) -> None:
    peer = connect()
    peer.head("/login/", "Transfer-Encoding: chunked")
    for _ in range(LIMIT // 65536):
        peer.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")
    assert (peer.status, server.http_factory.bodies.strangers.all) == (0, LIMIT - bodies.SMALL_BYTES)
    peer.send(b"1\r\nx\r\n0\r\n\r\n")
    assert (peer.status, server.http_factory.bodies.strangers.all, server.scopes) == (413, 0, [])


def test_what_still_comes_after_a_refusal_is_thrown_away_and_then_no_more_read(connect: Connect, clock: Clock) -> None:
    peer = connect()
    peer.head("/login/", "Content-Length: 100000000000")
    for _ in range(2 * channel.LINGER_BYTES // 65536):
        peer.send(b"x" * 65536)
    assert peer.transport.producerState == "paused" and peer.answer.count(b"HTTP/1.1") == 1
    clock.advance(channel.LINGER_S)
    assert peer.transport.aborted


def test_a_body_within_the_limit_reaches_the_application_and_is_counted_until_it_is_answered(
    connect: Connect, server: SimpleNamespace
) -> None:
    peer = connect()
    peer.head("/login/", f"Content-Length: {LIMIT}")
    peer.send(b"x" * LIMIT)
    assert [scope["path"] for scope in server.scopes] == ["/login/"]
    assert server.http_factory.bodies.strangers.all == LIMIT - bodies.SMALL_BYTES
    request = peer.channel.requests[0]
    request.handle_reply({"type": "http.response.start", "status": 200})
    request.handle_reply({"type": "http.response.body", "body": b"ok"})
    assert (peer.status, server.http_factory.bodies.strangers.all) == (200, 0)


@pytest.mark.parametrize(
    ("cookie", "status"),
    [
        (session(**{SESSION_KEY: "1"}), 0),
        (session(theme="dark"), 413),
        (session(**{SESSION_KEY: "1"})[:-1], 413),
        ("Cookie: sessionid=forged", 413),
    ],
    ids=["logged in", "a session of nobody", "a broken signature", "no signature"],
)
def test_only_who_is_logged_in_may_send_a_large_file(connect: Connect, cookie: str, status: int) -> None:
    peer = connect()
    peer.head("/admin/hosts/host/import/", cookie, f"Content-Length: {bodies.LOGGED_IN_BODY_BYTES}")
    assert peer.status == status


def test_many_bodies_of_one_address_are_no_more_than_its_part_of_the_memory(
    connect: Connect, server: SimpleNamespace
) -> None:
    peers = [connect() for _ in range(6)]
    for peer in peers:
        peer.head("/login/", f"Content-Length: {LIMIT}")
        peer.send(b"x" * (LIMIT - 1))
    assert [peer.status for peer in peers] == [0, 0, 0, 0, 503, 503]
    assert b"Retry-After" in peers[-1].answer
    another = connect("10.77.0.24")
    another.head("/login/", f"Content-Length: {bodies.SMALL_BYTES + 1000}")
    another.send(b"x" * (bodies.SMALL_BYTES + 1000))
    assert len(server.scopes) == 1
    for peer in peers:
        peer.channel.connectionLost(None)
    assert server.http_factory.bodies.strangers.all == 1000


def fill(connect: Connect, server: SimpleNamespace) -> None:
    """Hold all that strangers may hold, from so many addresses as that takes."""
    counted = LIMIT - 1 - bodies.SMALL_BYTES
    rest = bodies.SMALL_BYTES + bodies.HELD_BYTES_EACH % counted
    for number in range(bodies.HELD_BYTES // bodies.HELD_BYTES_EACH):
        for length in (*[LIMIT - 1] * (bodies.HELD_BYTES_EACH // counted), rest):
            peer = connect(f"10.77.1.{number}")
            peer.head("/login/", f"Content-Length: {LIMIT}")
            peer.send(b"x" * length)
    assert server.http_factory.bodies.strangers.all == bodies.HELD_BYTES


def test_what_strangers_hold_refuses_no_small_call(connect: Connect, server: SimpleNamespace) -> None:
    fill(connect, server)
    server.scopes.clear()
    peer = connect()
    peer.head("/api/v1/runs/1/claim", f"Content-Length: {bodies.SMALL_BYTES}")
    peer.send(b"x" * bodies.SMALL_BYTES)
    assert (peer.status, [scope["path"] for scope in server.scopes]) == (0, ["/api/v1/runs/1/claim"])


@pytest.mark.parametrize(("known", "status", "held"), [(True, 0, LIMIT - bodies.SMALL_BYTES), (False, 503, 0)])
def test_what_strangers_hold_refuses_no_result_of_an_agent_that_is_known(
    connect: Connect, server: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, known: bool, status: int, held: int
) -> None:
    fill(connect, server)
    token = tokens.make(7, 1, 1, tokens.new_nonce())
    monkeypatch.setattr(hot, "_warmed", {token} if known else set())
    peer = connect()
    peer.head("/api/v1/runs/7/result", f"Content-Length: {LIMIT}", f"Authorization: Bearer {token}")
    peer.send(b"x" * LIMIT)
    agents = server.http_factory.bodies.agents
    assert (peer.status, agents.all, agents.held) == (status, held, {"run 7": held} if known else {})


def test_headers_have_ten_seconds_however_many_bytes_come_meanwhile(connect: Connect, clock: Clock) -> None:
    peer = connect()
    for byte in b"POST /lo":
        peer.send(bytes([byte]))
        clock.advance(1)
    assert peer.status == 0
    clock.advance(2)
    assert peer.status == 408 and b"too slowly" in peer.answer


def test_a_body_must_come_as_fast_as_the_slowest_line(connect: Connect, clock: Clock) -> None:
    peer = connect()
    peer.head("/api/v1/runs/1/result", f"Content-Length: {LIMIT}")
    allowed = int(channel.BODY_S + LIMIT / channel.BODY_BYTES_PER_S)
    for _ in range(allowed - 1):
        peer.send(b"x")
        clock.advance(1)
    assert peer.status == 0
    clock.advance(1)
    assert peer.status == 408


@pytest.mark.parametrize("before", [b"", b"GET / HTTP/1.1\r\nHost: vetting\r\n\r\n"], ids=["a fresh one", "a kept one"])
def test_a_connection_on_which_nothing_comes_is_closed(connect: Connect, clock: Clock, before: bytes) -> None:
    peer = connect()
    if before:
        peer.send(before)
        clock.advance(3600)
        assert not peer.transport.disconnecting, "an answer may take its time"
        peer.channel.requests[0].handle_reply({"type": "http.response.start", "status": 200})
        peer.channel.requests[0].handle_reply({"type": "http.response.body", "body": b"ok"})
        clock.advance(channel.IDLE_S - 1)
        assert not peer.transport.disconnecting
    clock.advance(channel.HEAD_S if not before else 1)
    assert peer.transport.disconnecting


def test_a_client_that_takes_no_answer_is_cut_off(connect: Connect, clock: Clock) -> None:
    taking, stuck = connect(), connect()
    for peer in (taking, stuck):
        peer.send(b"GET / HTTP/1.1\r\nHost: vetting\r\n\r\n")
        peer.channel.pauseProducing()
    taking.channel.resumeProducing()
    clock.advance(channel.TAKE_S)
    assert (taking.transport.aborted, stuck.transport.aborted) == (False, True)


def test_one_address_has_so_many_connections_and_another_still_gets_in(
    connect: Connect, server: SimpleNamespace
) -> None:
    most = settings.VETTING.web.connections_per_address
    peers = [connect() for _ in range(most)]
    assert server.http_factory.buildProtocol(IPv4Address("TCP", "10.77.0.23", 40000)) is None
    connect("10.77.0.24")
    peers[0].channel.connectionLost(None)
    connect()
    assert server.http_factory.connections.all == most + 1


def test_all_addresses_together_leave_descriptors_for_the_rest(server: SimpleNamespace) -> None:
    connections = server.http_factory.connections
    connections.total = 3
    assert [connections.take(f"10.77.0.{n}") for n in range(5)] == [True, True, True, False, False]


def test_no_request_becomes_a_websocket_or_names_its_own_prefix(connect: Connect, server: SimpleNamespace) -> None:
    peer = connect()
    peer.head("/x/login/", "Upgrade: websocket", "Daphne-Root-Path: /x", "Content-Length: 0")
    (scope,) = server.scopes
    assert (scope["type"], scope["path"], scope["root_path"]) == ("http", "/x/login/", "")
    assert not {b"upgrade", b"daphne-root-path"} & {name for name, _ in scope["headers"]}


def test_nobody_looks_for_form_fields_in_a_body_before_the_application(
    connect: Connect, server: SimpleNamespace
) -> None:
    """A million of them take seconds in the event loop."""
    peer = connect()
    body = b"a=&" * 1000
    peer.head("/login/", "Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}")
    peer.send(body)
    assert server.scopes and peer.channel.requests[0].args == {}


def test_requests_that_wait_behind_another_are_all_answered(connect: Connect, server: SimpleNamespace) -> None:
    peer = connect()
    peer.send(b"POST /a HTTP/1.1\r\nContent-Length: 1\r\n\r\nxGET /b HTTP/1.1\r\n\r\n")
    for _ in range(2):
        peer.channel.requests[0].handle_reply({"type": "http.response.start", "status": 200})
        peer.channel.requests[0].handle_reply({"type": "http.response.body", "body": b"ok"})
    assert [scope["path"] for scope in server.scopes] == ["/a", "/b"]
    assert peer.answer.count(b"HTTP/1.1 200") == 2


def test_the_sessions_that_the_limit_looks_at_are_those_of_the_site() -> None:
    assert SessionStore.__module__ == settings.SESSION_ENGINE


def test_a_line_that_is_too_long_is_answered_not_cut_off(connect: Connect, server: SimpleNamespace) -> None:
    for line in (b"GET /" + b"a" * 20000, b"GET / HTTP/1.1\r\nCookie: " + b"a" * 20000 + b"\r\n\r\n"):
        peer = connect()
        peer.send(line)
        assert peer.status == 431 and peer.transport.half_closed and not server.scopes


@pytest.mark.parametrize("more", ["", "X: y"])
def test_a_length_of_thousands_of_digits_is_too_large(connect: Connect, server: SimpleNamespace, more: str) -> None:
    peer = connect()
    peer.head("/login/", "Content-Length: " + "9" * 5000, *filter(None, [more]))
    assert peer.status == 413 and not server.scopes


def test_what_comes_after_a_refusal_is_not_read(connect: Connect, server: SimpleNamespace) -> None:
    peer = connect()
    peer.send(
        b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 50 + b"\r\nA: b\r\n\r\nGET /livez HTTP/1.1\r\nHost: v\r\n\r\n"
    )
    assert peer.answer.count(b"HTTP/1.1") == 1 and not server.scopes


def test_two_who_are_logged_in_may_each_send_the_largest_body(connect: Connect, server: SimpleNamespace) -> None:
    peers = [connect() for _ in range(2)]
    for number, peer in enumerate(peers):
        peer.head("/admin/", f"Content-Length: {bodies.LOGGED_IN_BODY_BYTES}", session(**{SESSION_KEY: str(number)}))
        for _ in range(bodies.LOGGED_IN_BODY_BYTES // 65536):
            peer.send(b"x" * 65536)
    assert [peer.status for peer in peers] == [0, 0] and len(server.scopes) == 2
    assert not server.http_factory.bodies.strangers.all, "nothing of it counts against agents and strangers"


def stream(peer: Peer, path: str) -> Request:
    """The connection's request, answered without an end."""
    peer.head(path, "Content-Length: 0")
    request: Request = peer.channel.requests[0]
    request.handle_reply({"type": "http.response.start", "status": 200})
    return request


def send_pieces(request: Request, count: int) -> None:
    for _ in range(count):
        request.handle_reply({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})


FULL = MOST_WAITING_BYTES // 65536 + 1


def test_an_event_stream_that_its_client_does_not_take_is_cut_off(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    peer = connect()
    request = stream(peer, "/events/?channel=dash")
    send_pieces(request, FULL)
    assert not peer.transport.aborted, "the client takes it"
    peer.channel.pauseProducing()
    send_pieces(request, FULL - 2)
    assert not peer.transport.aborted
    send_pieces(request, 2)
    assert peer.transport.aborted and "too slowly: cut off" in caplog.text


def test_a_client_that_catches_up_keeps_its_event_stream(connect: Connect) -> None:
    peer = connect()
    request = stream(peer, "/events/?channel=dash")
    for _ in range(3):
        peer.channel.pauseProducing()
        send_pieces(request, FULL - 2)
        peer.channel.resumeProducing()
    assert not peer.transport.aborted


def test_an_answer_with_an_end_may_be_larger(connect: Connect) -> None:
    peer = connect()
    request = stream(peer, "/runs/7/report.html")
    peer.channel.pauseProducing()
    send_pieces(request, 3 * FULL)
    assert not peer.transport.aborted
