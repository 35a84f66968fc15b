"""The three calls that every agent makes every few seconds: no middleware, no thread per request, one commit for many
calls (`ingest.py`). `reply` answers one; `application` is the same as a bare ASGI application."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings

from agentapi import endpoint, ingest
from agentapi.endpoint import Answer, Request
from runs import tokens
from runs.bench.allowance import Allowance
from runs.database import failures as dbfailures

log = logging.getLogger("vetting.agentapi")
# An agent has at most three calls under way: heartbeat, log and measurements.
CALLS_EACH = 16
# As many tokens as `runs.tokens` remembers.
MOST_WARMED = 32_768


class BodyTooLarge(Exception):
    """More than AGENT_BODY_LIMIT_BYTES; answered 413."""


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """POST /api/v1/runs/{run}/{heartbeat|log|sensor}; `run` and `call` come from the URL router."""
    kwargs = scope["url_route"]["kwargs"]
    answer = await _answer(scope, receive, int(kwargs["run"]), kwargs["call"])
    await send({"type": "http.response.start", "status": answer.status, "headers": headers(answer)})
    await send({"type": "http.response.body", "body": answer.body})


def headers(answer: Answer) -> list[tuple[bytes, bytes]]:
    return [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(answer.body)).encode()),
        (b"cache-control", b"no-store"),
        *((name.lower().encode(), value.encode()) for name, value in endpoint.more_headers(answer).items()),
    ]


async def _answer(scope: dict[str, Any], receive: Any, run: int, call: str) -> Answer:
    if scope["method"] != "POST":
        return endpoint.problem(405, "POST it")
    try:
        body = await _body(scope, receive)
    except BodyTooLarge:
        return _too_large()
    return await reply(Request(call, run, _bearer(scope), body, (scope.get("client") or ("",))[0]))


def _too_large() -> Answer:
    return endpoint.problem(413, f"more than {settings.AGENT_BODY_LIMIT_BYTES} bytes")


async def reply(request: Request) -> Answer:
    """The answer to one call, after it was committed; 503 if it has to be sent again."""
    if len(request.body) > settings.AGENT_BODY_LIMIT_BYTES:
        return _too_large()
    try:
        await _warm(request)
        with _place_in_line(request):
            return await ingest.writer.submit(await _read(request))
    except ingest.Overloaded:
        return endpoint.problem(503, "overloaded: send it again")
    except Exception as error:
        log.exception("run %s %s: not answered", request.run, request.call)
        why = f" ({dbfailures.reason(error)})" if dbfailures.is_passing(error) else ""
        return endpoint.problem(503, f"not recorded{why}: send it again")


async def _warm(request: Request) -> None:
    """Check an unknown token here: bcrypt takes 91 ms, too long for the one writing thread."""
    token = tokens.parse(request.bearer)
    if token is not None and not is_known(request.bearer):
        await sync_to_async(_check_once, thread_sensitive=False)(request)


async def _read(request: Request) -> Request:
    """Decode the message outside of the shared transaction; a large one in a thread."""
    if not is_known(request.bearer):
        return request
    if len(request.body) <= _READ_AT_ONCE_BYTES:
        return endpoint.read(request)
    return await sync_to_async(endpoint.read, thread_sensitive=False)(request)


@contextmanager
def _place_in_line(request: Request) -> Iterator[None]:
    """Limit the calls of one host that are under way. Further calls are refused and sent again later, so that other
    hosts don't wait behind them. All callers with an invalid token share one limit. Raises Overloaded."""
    who = f"run {request.run}" if is_known(request.bearer) else "callers that are refused"
    if not _under_way.take(who):
        raise ingest.Overloaded
    try:
        yield
    finally:
        _under_way.give_back(who)


_under_way = Allowance("calls under way", CALLS_EACH, ingest.MAX_WAITING, "agentapi/hot.py")
_READ_AT_ONCE_BYTES = 16 * 1024
_warmed: set[str] = set()


def _check_once(request: Request) -> None:
    from django.db import connection

    try:
        endpoint.authenticate(request)
        _remember(request.bearer)
    except endpoint.Rejected:
        pass  # the writer rejects it again and records that in the run's history
    finally:
        connection.close()


def is_known(bearer: str) -> bool:
    """Whether a call with this token was accepted before, by this process."""
    return bearer in _warmed


def _remember(bearer: str) -> None:
    if len(_warmed) >= MOST_WARMED:
        _warmed.clear()
    _warmed.add(bearer)


def _bearer(scope: dict[str, Any]) -> str:
    for name, value in scope["headers"]:
        if name == b"authorization" and (token := bearer(value)):
            return token
    return ""


def bearer(value: bytes) -> str:
    """The token in the value of a header Authorization; empty if it has another form."""
    return value[7:].decode("latin-1").strip() if value[:7].lower() == b"bearer " else ""


async def _body(scope: dict[str, Any], receive: Any) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b""
        part = message.get("body", b"")
        size += len(part)
        if size > settings.AGENT_BODY_LIMIT_BYTES:
            raise BodyTooLarge
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)
