"""GET /events/?channel=run-7: the event stream of one page, as a bare ASGI application. Django would hold a thread and
a database connection for each stream, a consumer of Channels several tasks.

`&with=parts` asks for the rendered fragments of a run's page, too: type `parts`, data `{"version", "tags", "html"}`.
`html` has the fragments that changed; `tags` are those of all fragments, so that a page knows whether it lacks one.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import Error
from django.http import Http404
from django.http.request import split_domain_port, validate_host
from django_eventstream.event import Event
from django_eventstream.storage import EventDoesNotExist

from runs.bench.allowance import Allowance
from runs.database.renewal import renew_connection
from runs.desk import run_page
from runs.desk.access import SEE
from runs.live import logins
from runs.live.hub import Stream
from runs.live.logins import Login
from runs.live.stream import (
    DASHBOARD,
    OutboxStorage,
    UnknownChannel,
    both,
    encoded,
    hub,
    last_ids,
    missed,
    run_id_of,
    watcher,
)  # fmt: skip

log = logging.getLogger("vetting.live")

MAX_CHANNELS = 5
# For one account at one address. A page has one stream, and a browser opens six per site at most.
MAX_STREAMS_EACH = 64
MAX_STREAMS = 1000
RETRY = "retry: 1000\n\n"
_HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would keep the events back
]
_allowed = Allowance("event streams", MAX_STREAMS_EACH, MAX_STREAMS, "runs/live/serving.py")


class Refused(Exception):
    """The stream is not opened; `status` and the message say why."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True)
class Asked:
    """What a request asks for: the pages, the last event that the browser has, and whether it wants rendered
    fragments."""

    pages: tuple[str, ...]
    last: dict[str, int]
    with_parts: bool

    @property
    def channels(self) -> list[str]:
        return [channel for page in self.pages for channel in both(page)]

    @property
    def run_ids(self) -> set[int]:
        return {number for number in map(run_id_of, self.pages) if number is not None}

    @property
    def page_with_parts(self) -> str:
        """The one page of a run whose fragments are wanted, or nothing."""
        return self.pages[0] if self.with_parts and self.pages[0] != DASHBOARD else ""


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    try:
        asked = _asked(scope)
        login = await sync_to_async(_login)(_header(scope, b"cookie"))
    except Refused as refused:
        return await _refuse(send, refused.status, str(refused))
    whose = f"{login.name} at {(scope.get('client') or ('',))[0]}"
    if not _allowed.take(whose):
        return await _refuse(send, 429, "too many live pages are open: close some, then load this one again")
    try:
        await _serve(Stream(send, login, dict.fromkeys(asked.channels, 0)), asked, receive)
    finally:
        _allowed.give_back(whose)


async def _serve(stream: Stream, asked: Asked, receive: Any) -> None:
    """Send until the client or the server ends the stream. Changes that are committed after `watch` are sent to the
    stream; earlier ones are read after it."""
    await sync_to_async(watcher.watch)(asked.run_ids)
    hub.join(stream, asked.page_with_parts)
    try:
        await stream.send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await _begin(stream, asked)
        while (await receive())["type"] != "http.disconnect":
            pass
    finally:
        hub.leave(stream)
        watcher.unwatch(asked.run_ids)


async def _begin(stream: Stream, asked: Asked) -> None:
    try:
        chunk, ids = await sync_to_async(_opening)(asked)
    except Error:
        # The database may be away. The browser reconnects by itself and gets what it missed.
        log.exception("event stream of %s ended", ", ".join(asked.pages))
        stream.finish()
    else:
        stream.ids.update(ids)
        await stream.send({"type": "http.response.body", "body": chunk, "more_body": True})
    stream.open()


def _opening(asked: Asked) -> tuple[bytes, dict[str, int]]:
    """The first bytes: that the stream is open, the present version of the page, and what the client missed. Also the
    last event of each channel after that."""
    renew_connection()
    ids, reset, events = dict[str, int](), list[str](), list[Event]()
    for channel in asked.channels:
        ids[channel] = OutboxStorage().get_current_id(channel)
        if channel in asked.last:
            try:
                events += missed(channel, asked.last[channel])
            except EventDoesNotExist:
                reset.append(channel)
    text = f"{RETRY}event: stream-open\ndata: {json.dumps(_version(asked))}\n\n"
    if reset:
        text += f"event: stream-reset\ndata: {json.dumps({'channels': reset})}\n\n"
    so_far = ids | {channel: last for channel, last in asked.last.items() if channel not in reset}
    return text.encode() + b"".join(_told(events, so_far)), ids


def _told(events: list[Event], ids: dict[str, int]) -> list[bytes]:
    chunks = []
    for event in events:
        ids[event.channel] = event.id or 0
        chunks.append(encoded(event).for_client(ids))
    return chunks


def _version(asked: Asked) -> dict[str, int]:
    """The version of the fragments, if they are wanted and the run exists."""
    run_id = run_id_of(asked.page_with_parts) if asked.page_with_parts else None
    if run_id is None:
        return {}
    try:
        return {"version": run_page.version(run_id)}
    except Http404:
        return {}


def _asked(scope: dict[str, Any]) -> Asked:
    """Raises Refused."""
    query = parse_qs(scope["query_string"].decode("latin-1"))
    pages = tuple(dict.fromkeys(query.get("channel", [])))
    if not 0 < len(query.get("channel", [])) <= MAX_CHANNELS:
        raise Refused(400, f"name 1 to {MAX_CHANNELS} channels: ?channel=dash")
    try:
        channels = {channel for page in pages for channel in both(page)}
    except UnknownChannel as error:
        raise Refused(400, str(error)) from None
    if scope["method"] != "GET":
        raise Refused(405, "GET it")
    if not _host_allowed(_header(scope, b"host")):
        raise Refused(400, "this host name is not in VETTING_ALLOWED_HOSTS")
    last = last_ids(_header(scope, b"last-event-id"), channels)
    return Asked(pages, last, query.get("with") == ["parts"] and len(pages) == 1)


def _login(cookies: str) -> Login:
    """Raises Refused. Asks the database."""
    renew_connection()
    login = logins.of_cookies(cookies)
    if login is None:
        raise Refused(403, f"log in with an account that has {' and '.join(SEE)}")
    return login


def _host_allowed(host: str) -> bool:
    domain, _ = split_domain_port(host)
    allowed = settings.ALLOWED_HOSTS or ["localhost", "127.0.0.1", "[::1]"]
    return bool(domain) and validate_host(domain, allowed)


def _header(scope: dict[str, Any], wanted: bytes) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == wanted), "")


async def _refuse(send: Any, status: int, reason: str) -> None:
    headers = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": f"{reason}\n".encode()})


async def close_all() -> None:
    """End every open stream: the web process is about to stop."""
    await hub.finish_all()
