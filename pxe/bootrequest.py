"""A request for a boot file: reads and parses it. Nothing of it becomes part of a file name."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

HEADER_LIMIT_BYTES = 8192


@dataclass(frozen=True)
class Request:
    """`run` and `boot` are what the boot script put into the address; 0 if missing."""

    method: str
    path: str
    run: int = 0
    boot: int = 0


class BadRequest(Exception):
    """Not valid HTTP; the message goes into the status line."""


def parse(head: bytes) -> Request:
    """Parse the request line; headers are ignored. Raises BadRequest."""
    try:
        method, target, version = head.split(b"\r\n", 1)[0].decode("ascii").split(" ")
    except ValueError:
        raise BadRequest("400 Bad Request") from None
    if not version.startswith("HTTP/1."):
        raise BadRequest("505 HTTP Version Not Supported")
    if method not in ("GET", "HEAD"):
        raise BadRequest("405 Method Not Allowed")
    try:
        parts = urlsplit(target)
        query = parse_qs(parts.query, max_num_fields=8)
    except ValueError:
        raise BadRequest("400 Bad Request") from None
    return Request(method, parts.path, _number(query.get("run")), _number(query.get("boot")))


def _number(values: list[str] | None) -> int:
    return int(values[0]) if values and values[0].isascii() and values[0].isdigit() and len(values[0]) < 16 else 0


def read_head(sock: socket.socket) -> bytes:
    """Read until the end of the headers. Raises BadRequest, and OSError if the client goes away."""
    head = b""
    while b"\r\n\r\n" not in head:
        data = sock.recv(HEADER_LIMIT_BYTES)
        if not data:
            raise BadRequest("400 Bad Request")
        head += data
        if len(head) > HEADER_LIMIT_BYTES:
            raise BadRequest("431 Request Header Fields Too Large")
    return head
