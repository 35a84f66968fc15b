"""Live pages over server-sent events. The only module that knows django-eventstream.

A page subscribes to `dash` or to `run-<id>`. Each stands for two channels of the event stream:

- `dash`, `run-<id>`: rows of RunEvent. Type `run`, data `{"id", "run", "host", "kind", "state"}`, id the row's.
- `dash-live`, `live-<id>`: numbers that changed and have no row of their own. Type `live`, data `{"run", "log",
  "progress", "sensor"}` or, for the dashboard, `{"runs": [...]}`. Their id is the sum of the numbers. So a client that
  lost some events (overflow, reconnect) gets the present numbers once, and no event needs to be stored.

An event has no content: the page fetches the fragments that the event makes stale.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import logging
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from asgiref.sync import sync_to_async
from channels.exceptions import StopConsumer
from channels.generic.http import AsyncHttpConsumer
from django.conf import settings
from django.db import close_old_connections, connection
from django.db.models import Max
from django.http.request import split_domain_port, validate_host
from django_eventstream.channelmanager import ChannelManagerBase
from django_eventstream.event import Event
from django_eventstream.eventrequest import EventRequest
from django_eventstream.storage import EventDoesNotExist, StorageBase
from django_eventstream.utils import parse_last_event_id
from django_eventstream.views import Listener, get_listener_manager, stream

from hosts.access import may
from runs.desk.access import SEE
from runs.desk.asked import whole_number
from runs.live import tailer

if TYPE_CHECKING:
    from asgiref.typing import HTTPDisconnectEvent, HTTPRequestEvent
from runs.live.allowance import Allowance
from runs.models import RunEvent

log = logging.getLogger("vetting.live")

DASHBOARD = "dash"
DASHBOARD_LIVE = "dash-live"
MAX_CHANNELS = 5
# For one account at one address. A page has one stream, and a browser opens six per site at most.
MAX_STREAMS_EACH = 64
MAX_STREAMS = 1000
RETRY = b"retry: 1000\n\n"


class UnknownChannel(ValueError):
    """Not a channel of ours; the message names it."""


def run_id_of(channel: str) -> int | None:
    """7 of `run-7` and `live-7`, None of the dashboard's. Raises UnknownChannel."""
    if channel in (DASHBOARD, DASHBOARD_LIVE):
        return None
    kind, _, number = channel.partition("-")
    if kind not in ("run", "live") or (run_id := whole_number(number)) is None:
        raise UnknownChannel(f"no channel {channel[:40]!r}: there are dash and run-<id>")
    return run_id


def both(channel: str) -> tuple[str, str]:
    """The two channels behind the name that a page asks for. Raises UnknownChannel."""
    run_id = run_id_of(channel)
    if channel.startswith("live-") or channel == DASHBOARD_LIVE:
        raise UnknownChannel(f"no channel {channel[:40]!r}: there are dash and run-<id>")
    return (DASHBOARD, DASHBOARD_LIVE) if run_id is None else (f"run-{run_id}", f"live-{run_id}")


class Channels(ChannelManagerBase):  # type: ignore[misc]  # django_eventstream has no types
    """A user who may see the pages may read every channel; nobody else may read any."""

    def can_read_channel(self, user: Any, channel: str) -> bool:
        """Asks the database."""
        return may(user, *SEE)

    def is_channel_reliable(self, channel: str) -> bool:
        return True


class OutboxStorage(StorageBase):  # type: ignore[misc]  # django_eventstream has no types
    """What a client missed, read from the rows of RunEvent: one query per channel."""

    def append_event(self, channel: str, event_type: str, data: Any) -> Event:
        raise NotImplementedError("events are rows of RunEvent: write one in the transaction that it tells of")

    def get_events(self, channel: str, last_id: int, limit: int = 100) -> list[Event]:
        """The events after `last_id`. Raises EventDoesNotExist if there is no such row, for example in a database that
        was restored: the client then fetches everything."""
        _renew_connection()
        if channel == DASHBOARD_LIVE or channel.startswith("live-"):
            return [event for event in [_present(channel)] if event and event.id != last_id]
        rows = _rows(channel).filter(pk__gte=last_id).order_by("pk")
        fields = rows.values_list("pk", "run_id", "run__host__name", "kind", "state_after")
        news = [tailer.News(*row) for row in fields[: limit + 1]]
        if last_id and (not news or news[0].id != last_id):
            raise EventDoesNotExist(f"no event {last_id} in {channel}", self.get_current_id(channel))
        return [_run_event(channel, item) for item in news if item.id != last_id]

    def get_current_id(self, channel: str) -> int:
        _renew_connection()
        if channel == DASHBOARD_LIVE or channel.startswith("live-"):
            present = _present(channel)
            return present.id if present else 0
        return _rows(channel).aggregate(last=Max("id"))["last"] or 0


def _renew_connection() -> None:
    """Drop a broken connection. Django does that at the begin and end of a request, and a stream's thread has none."""
    if not connection.in_atomic_block:
        close_old_connections()


def _rows(channel: str) -> Any:
    run_id = run_id_of(channel)
    return RunEvent.objects.all() if run_id is None else RunEvent.objects.filter(run_id=run_id)


def _present(channel: str) -> Event | None:
    """The present numbers as an event; None for a run that does not exist."""
    run_id = run_id_of(channel)
    if run_id is None:
        runs = list(tailer.live_progress())
        return Event(channel, "live", json.dumps({"runs": runs}), id=tailer.dashboard_total())
    found = tailer.versions([run_id]).get(run_id)
    return _changed_event(run_id, found) if found else None


def _run_event(channel: str, news: tailer.News) -> Event:
    data = {"id": news.id, "run": news.run, "host": news.host, "kind": news.kind, "state": news.state}
    return Event(channel, "run", json.dumps(data), id=news.id)


def _changed_event(run_id: int, now: tailer.Versions) -> Event:
    data = {"run": run_id, "log": now.log, "progress": now.progress, "sensor": now.sensor}
    return Event(f"live-{run_id}", "live", json.dumps(data), id=now.total)


class Fanout:
    """Sends what the tailer saw to the streams of this process."""

    def event(self, news: tailer.News) -> None:
        for channel in (DASHBOARD, f"run-{news.run}"):
            get_listener_manager().add_to_queues(channel, _run_event(channel, news))

    def changed(self, run_id: int, versions: tailer.Versions) -> None:
        get_listener_manager().add_to_queues(f"live-{run_id}", _changed_event(run_id, versions))

    def progressed(self, run_ids: list[int], total: int) -> None:
        event = Event(DASHBOARD_LIVE, "live", json.dumps({"runs": run_ids}), id=total)
        get_listener_manager().add_to_queues(DASHBOARD_LIVE, event)


watcher = tailer.Tailer(Fanout())
_open_streams: set[Events] = set()
_allowed = Allowance("event streams", MAX_STREAMS_EACH, MAX_STREAMS, "runs/live/stream.py")


class Events(AsyncHttpConsumer):
    """GET /events/?channel=run-7: the stream of one page."""

    pump: asyncio.Task[None] | None = None
    request: asyncio.Task[None] | None = None
    whose = ""

    async def http_request(self, message: HTTPRequestEvent) -> None:
        """Unlike the base class, go on receiving after the answer has begun, so that a disconnect is seen."""
        if not message.get("more_body"):
            await self.handle(b"")

    async def handle(self, body: bytes) -> None:
        try:
            request = self._request()
        except UnknownChannel as error:
            return await self._refuse(400, str(error))
        if self.scope["method"] != "GET":
            return await self._refuse(405, "GET it")
        if not self._host_allowed():
            return await self._refuse(400, "this host name is not in VETTING_ALLOWED_HOSTS")
        if not await sync_to_async(_may_read)(request):
            return await self._refuse(403, f"log in with an account that has {' and '.join(SEE)}")
        whose = f"{request.user} at {(self.scope.get('client') or ('',))[0]}"
        if not _allowed.take(whose):
            return await self._refuse(429, "too many live pages are open: close some, then load this one again")
        self.whose = whose
        self.request, self.pump = asyncio.current_task(), asyncio.ensure_future(self._stream(request))
        _open_streams.add(self)

    async def http_disconnect(self, message: HTTPDisconnectEvent) -> None:
        await self.close()
        raise StopConsumer

    async def close(self) -> None:
        """End the stream; returns when its task is gone."""
        _open_streams.discard(self)
        if self.whose:
            _allowed.give_back(self.whose)
            self.whose = ""
        if self.pump is not None:
            self.pump.cancel()
            await asyncio.gather(self.pump, return_exceptions=True)

    async def break_off(self) -> None:
        """End the stream and the request, which would wait for the browser to hang up."""
        await self.close()
        if self.request is not None:
            self.request.cancel()
            await asyncio.gather(self.request, return_exceptions=True)

    async def _stream(self, request: EventRequest) -> None:
        run_ids = {number for number in map(run_id_of, request.channels) if number is not None}
        await sync_to_async(watcher.watch)(run_ids)
        listener = Listener()
        listener.channels = request.channels
        chunks: AsyncGenerator[str, None] = stream(request, listener)
        try:
            await self.send_headers(headers=_HEADERS)
            await self.send_body(RETRY, more_body=True)
            async for chunk in chunks:
                await self.send_body(chunk.encode(), more_body=True)
            await self.send_body(b"")
        except Exception:
            # The database may be away. The browser reconnects by itself and gets what it missed.
            log.exception("event stream of %s ended", ", ".join(request.channels))
            await self.send_body(b"")
        finally:
            await chunks.aclose()
            watcher.unwatch(run_ids)

    def _request(self) -> EventRequest:
        asked = parse_qs(self.scope["query_string"].decode("latin-1")).get("channel", [])
        if not 0 < len(asked) <= MAX_CHANNELS:
            raise UnknownChannel(f"name 1 to {MAX_CHANNELS} channels: ?channel=dash")
        request = EventRequest()
        request.is_next = False  # the constructor sets it only where it is given a request
        request.user = self.scope["user"]  # type: ignore[typeddict-item]  # AuthMiddlewareStack puts it there
        request.channels = {channel for name in asked for channel in both(name)}
        request.channel_last_ids = _last_ids(self._header(b"last-event-id"), request.channels)
        return request

    def _host_allowed(self) -> bool:
        domain, _ = split_domain_port(self._header(b"host"))
        allowed = settings.ALLOWED_HOSTS or ["localhost", "127.0.0.1", "[::1]"]
        return bool(domain) and validate_host(domain, allowed)

    def _header(self, name: bytes) -> str:
        return next((value.decode("latin-1") for key, value in self.scope["headers"] if key == name), "")

    async def _refuse(self, status: int, reason: str) -> None:
        await self.send_response(status, f"{reason}\n".encode(), headers=[(b"content-type", b"text/plain")])
        raise StopConsumer


def _may_read(request: EventRequest) -> bool:
    _renew_connection()
    return all(Channels().can_read_channel(request.user, channel) for channel in request.channels)


_HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would keep the events back
]


def _last_ids(header: str, channels: set[str]) -> dict[str, str]:
    """The last event that the browser had, by channel. An id that is not ours is ignored: the browser then fetches
    everything."""
    try:
        parsed = parse_last_event_id(header) if header else {}
    except ValueError:
        return {}
    return {name: last for name, last in parsed.items() if name in channels and whole_number(last) is not None}


async def close_all() -> None:
    """End every open stream: the web process is about to stop."""
    await asyncio.gather(*(events.break_off() for events in list(_open_streams)))


@atexit.register
def _stop_watching() -> None:
    watcher.stop()
