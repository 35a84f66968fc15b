"""daphne's HTTP server with bounds. daphne reads a whole request before it calls an application, writes a large one to
disk, and waits another minute after each byte. Here a request is refused as soon as it is too large or too slow, for
any path, and no body is written to disk.

daphne has no option for another connection class, so `stand_before_daphne` replaces daphne's class by ours.
"""

from __future__ import annotations

import logging
import resource
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from io import BytesIO
from typing import Any

import daphne.server
from daphne.http_protocol import HTTPFactory, WebRequest
from django.conf import settings
from twisted.internet.protocol import connectionDone
from twisted.internet.tcp import Connection
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel

from runs.bench.allowance import Allowance, OnceAMinute
from runs.live.hub import MOST_WAITING_BYTES
from vetting.front import agents, bodies, refusal
from vetting.front.bodies import LOGGED_IN_BODY_BYTES, Bodies, Share
from vetting.front.deadline import Deadline

log = logging.getLogger("vetting.web")

# Time from the first byte of a request to the end of its headers; also from the connection to the first byte.
HEAD_S = 10.0
# Time between two requests on a connection that is kept open.
IDLE_S = 60.0
# Time for a body: this long, plus a second for each so many bytes. 2 MiB: 47 s.
BODY_S = 15.0
BODY_BYTES_PER_S = 64 * 1024
# Time for a client to read an answer; after that it is gone, or holds our memory on purpose.
TAKE_S = 300.0
# The path of event streams (runs/live/serving.py).
EVENTS = b"/events/"
# How long, and how much, we still read and discard after a refusal, so that the client can read the refusal.
LINGER_S = 2.0
LINGER_BYTES = 1024 * 1024

MAX_CONNECTIONS = 12_288
# Digits of a Content-Length: enough for any file, and fewer than `int` refuses.
LENGTH_DIGITS = 18
# Share of this process's file descriptors; the rest is for databases, logs and boot files.
SHARE_OF_DESCRIPTORS = 0.75
# The open connections, by address and port of the client.
_open: dict[tuple[str, int], Channel] = {}


def is_taken(client: Sequence[Any]) -> bool | None:
    """Whether this client has read nearly all that was sent to it; None once its connection is closed."""
    channel = _open.get((client[0], client[1]))
    return None if channel is None else not channel._waitingForTransport


class Request(WebRequest):
    """One request. Its body is kept in memory, and counted, until it is answered."""

    def __init__(self, channel: Channel, queued: bool) -> None:
        # Twisted would look for form fields in every body, in the event loop, and daphne does not use them.
        super().__init__(channel, queued, parsePOSTFormSubmission=False)
        self.held = 0
        self.share = Share(Allowance("", 0, 0, ""), "", 0)

    def gotLength(self, length: int | None) -> None:
        self.content = BytesIO()

    def handleContentChunk(self, data: bytes) -> None:
        channel: Channel = self.channel
        if channel.refused:
            return
        length = self.content.tell() + len(data)
        if length > self.share.limit:
            return channel.refuse_size(self.share.limit)
        if not self._hold(bodies.counted(length)):
            return channel.refuse(HTTPStatus.SERVICE_UNAVAILABLE, "too many bodies are under way: send it again")
        self.content.write(data)

    def _hold(self, count: int) -> bool:
        """Hold so many bytes in all. False if that is more than allowed."""
        if count > self.held and not self.share.allowance.take(self.share.who, count - self.held):
            return False
        self.held = count
        return True

    def let_go(self) -> None:
        if self.held:
            self.share.allowance.give_back(self.share.who, self.held)
            self.held = 0

    def process(self) -> Any:
        """Process it without two features of daphne that a client can trigger: the change to WebSocket, where none of
        these bounds apply, and a path prefix, which would give one address many names."""
        self.requestHeaders.removeHeader(b"upgrade")
        self.requestHeaders.removeHeader(b"daphne-root-path")
        return None if agents.answering.take(self) else super().process()

    def finish(self) -> None:
        super().finish()
        self.let_go()

    def connectionLost(self, reason: Any) -> None:
        super().connectionLost(reason)
        self.let_go()

    @property
    def factory(self) -> Factory:
        factory: Factory = self.server.http_factory
        return factory


class Channel(Deadline, HTTPChannel):
    """One connection. Here `timeOut` of the base class is a deadline: further bytes do not extend it."""

    factory: Factory
    transport: Connection  # type: ignore[assignment]  # twisted's interfaces are no types that mypy understands
    address = ""
    peer = ("", 0)
    refused = False
    _receiving = False
    _dropped = 0
    _taking: Any = None
    _untaken_bytes = 0
    _host: Any = None

    def getHost(self) -> Any:
        """Our own end. Twisted asks the kernel for it at each request."""
        self._host = self._host or super().getHost()
        return self._host

    def connectionMade(self) -> None:
        super().connectionMade()
        self.setTimeout(HEAD_S)

    def dataReceived(self, data: bytes) -> None:
        if self.refused:
            return self._drop(len(data))
        if not self._receiving and not self._handlingRequest:
            self._receiving = True
            self.setTimeout(HEAD_S)
        # Skips the next class's method, which would extend the deadline.
        LineReceiver.dataReceived(self, data)

    def lineReceived(self, line: bytes) -> None:
        if not self.refused:
            super().lineReceived(line)

    def lineLengthExceeded(self, line: bytes) -> None:
        text = f"a line of {len(line)} bytes or more in the headers: at most {self.MAX_LENGTH} are taken"
        self.refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, text)

    def _maybeChooseTransferDecoder(self, header: bytes, data: bytes) -> bool:
        if header == b"Content-Length" and len(data) > LENGTH_DIGITS:
            self.refuse_size(settings.AGENT_BODY_LIMIT_BYTES)
            return False
        is_fit: bool = super()._maybeChooseTransferDecoder(header, data)
        return is_fit

    def allHeadersReceived(self) -> None:
        if self.refused:
            return
        request: Request = self.requests[-1]
        request.share = self.factory.bodies.share_of(request, self.address)
        if self.length is not None and self.length > request.share.limit:
            return self.refuse_size(request.share.limit)
        super().allHeadersReceived()
        size = request.share.limit if self.length is None else self.length
        self.setTimeout(BODY_S + size / BODY_BYTES_PER_S)

    def rawDataReceived(self, data: bytes) -> None:
        if not self.refused:
            super().rawDataReceived(data)

    def allContentReceived(self) -> None:
        if self.refused:
            return
        self._receiving = False
        # The base class keeps this one, and sets it again when the answer has been sent.
        self.setTimeout(IDLE_S)
        super().allContentReceived()

    def timeoutConnection(self) -> None:
        if self._receiving and not self.refused:
            self.refuse(HTTPStatus.REQUEST_TIMEOUT, "this request came too slowly: send it again")
        else:
            self.loseConnection()

    def refuse_size(self, limit: int) -> None:
        text = f"more than {limit} bytes: nothing of it was kept"
        if limit < LOGGED_IN_BODY_BYTES:
            text += f" (a file to import may have {LOGGED_IN_BODY_BYTES} bytes, once you have logged in)"
        self.refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text)

    def refuse(self, status: HTTPStatus, text: str) -> None:
        """Answer at once, drop what was received, and close. Read a little more meanwhile: if a connection is closed
        with unread data, the client loses the answer."""
        self.refused = True
        self.setTimeout(None)
        self.factory.tell_refusal(self.address, status, text)
        request: Request | None = self.requests[-1] if self.requests else None
        if request is not None:
            request.let_go()
            request.content = BytesIO()
        self._networkProducer.unregisterProducer()
        self.transport.write(refusal.as_bytes(status, text, getattr(self, "_path", b"")))
        self.transport.loseWriteConnection()
        self.callLater(LINGER_S, self.transport.abortConnection)

    def _drop(self, count: int) -> None:
        self._dropped += count
        if self._dropped > LINGER_BYTES:
            self.transport.pauseProducing()

    def pauseProducing(self) -> None:
        """More than 64 kB wait for the client to read them."""
        super().pauseProducing()
        self._expect_to_be_taken()

    def resumeProducing(self) -> None:
        super().resumeProducing()
        self._untaken_bytes = 0
        self._cancel_taking()

    def write(self, data: bytes) -> None:
        super().write(data)
        self._count_untaken(len(data))

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        pieces = list(iovec)
        super().writeSequence(pieces)
        self._count_untaken(sum(map(len, pieces)))

    def _count_untaken(self, count: int) -> None:
        """An event stream has no end, and daphne's `send` does not wait for the client. Cut off the stream of a client
        that is too far behind; the browser opens another one."""
        if not self._waitingForTransport or not self.requests or not self.requests[0].path.startswith(EVENTS):
            return
        self._untaken_bytes += count
        if self._untaken_bytes > MOST_WAITING_BYTES:
            log.warning("%s took %d bytes of events too slowly: cut off", self.address, self._untaken_bytes)
            self._untaken_bytes = 0
            self.transport.abortConnection()

    def loseConnection(self) -> None:
        super().loseConnection()
        self._expect_to_be_taken()

    def _expect_to_be_taken(self) -> None:
        if self._taking is None:
            self._taking = self.callLater(TAKE_S, self._cut_off)

    def _cancel_taking(self) -> None:
        if self._taking is not None and self._taking.active():
            self._taking.cancel()
        self._taking = None

    def _cut_off(self) -> None:
        log.warning("%s took no answer for %.0f s: cut off", self.address, TAKE_S)
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._cancel_taking()
        self.forget_deadline()
        self.factory.connections.give_back(self.address)
        if _open.get(self.peer) is self:
            del _open[self.peer]
        super().connectionLost(reason)


class Factory(HTTPFactory):
    """Makes connections, and counts them and the bytes they hold."""

    protocol = Channel

    def __init__(self, server: daphne.server.Server) -> None:
        super().__init__(server)
        each = settings.VETTING.web.connections_per_address
        self.connections = Allowance("connections", each, _max_connections(), "web.connections_per_address")
        self.bodies = Bodies()
        self._refusals = OnceAMinute()

    def buildProtocol(self, addr: Any) -> Channel | None:
        address = getattr(addr, "host", "")
        if not self.connections.take(address):
            return None  # closed at once
        channel: Channel = super().buildProtocol(addr)
        channel.requestFactory = Request  # type: ignore[assignment]  # daphne has no types
        channel.address = address
        channel.peer = address, getattr(addr, "port", 0)
        _open[channel.peer] = channel
        return channel

    def log(self, request: Any) -> None:
        """Twisted would make a line of an access log for each request, though nobody keeps it."""

    def tell_refusal(self, address: str, status: HTTPStatus, text: str) -> None:
        self._refusals.warn(address, f"{address} was answered {status.value}: {text}")


def _max_connections() -> int:
    return min(MAX_CONNECTIONS, int(resource.getrlimit(resource.RLIMIT_NOFILE)[0] * SHARE_OF_DESCRIPTORS))


def stand_before_daphne() -> None:
    """Make daphne's server, which is about to be started, use `Factory` for its connections."""
    daphne.server.HTTPFactory = Factory
