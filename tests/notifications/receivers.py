"""Servers on loopback that messages are really sent to, and one that never answers."""

from __future__ import annotations

import json
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Received:
    """What came in: HTTP posts as (path, headers, JSON body), mails as parsed messages."""

    port: int
    posts: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)
    mails: list[EmailMessage] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def http_server(status: int = 200) -> Iterator[Received]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.posts.append((self.path, dict(self.headers), json.loads(body)))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server, _serving(server):
        received = Received(server.server_address[1])
        yield received


@contextmanager
def mail_server(*unknown: str) -> Iterator[Received]:
    """Speaks as much of RFC 5321 as one mail needs. It refuses the recipients in `unknown`."""

    class Handler(socketserver.StreamRequestHandler):
        def say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

        def handle(self) -> None:
            self.say("220 loopback")
            while line := self.rfile.readline():
                verb = line.split()[0].upper()
                if verb == b"DATA":
                    self.say("354 go on")
                    received.mails.append(message_from_bytes(self._until_dot(), policy=policy.default))
                if verb == b"RCPT" and any(f"<{address}>".encode() in line for address in unknown):
                    self.say("550 5.1.1 User unknown")
                    continue
                self.say("221 bye" if verb == b"QUIT" else "250 fine")

        def _until_dot(self) -> bytes:
            lines = iter(self.rfile.readline, b".\r\n")
            return b"".join(line.removeprefix(b".") if line.startswith(b"..") else line for line in lines)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server, _serving(server):
        received = Received(server.server_address[1])
        yield received


@contextmanager
def silent_server() -> Iterator[Received]:
    """Accepts connections (the kernel does, from the backlog) and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield Received(listener.getsockname()[1])


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
