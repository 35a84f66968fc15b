"""A refusal as bytes, for a connection that is closed before its request was read."""

from __future__ import annotations

import json
from http import HTTPStatus

from restapi import problems
from restapi.middleware import ROOT


def as_bytes(status: HTTPStatus, text: str, path: bytes) -> bytes:
    if path.startswith(b"/api/"):
        kind, body = "application/json", json.dumps({"error": text})
    elif path.startswith(ROOT.encode()):
        kind, body = problems.CONTENT_TYPE, json.dumps(problems.content(status, text))
    else:
        kind, body = "text/plain; charset=utf-8", f"{text}\n"
    more = "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n"
    more += "Retry-After: 5\r\n" if status == HTTPStatus.SERVICE_UNAVAILABLE else ""
    head = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}{more}\r\n{body}".encode()
