"""Live pages over server-sent events. Only this module and serving.py know django-eventstream.

A page subscribes to `dash` or to `run-<id>`. Each stands for two channels of the event stream:

- `dash`, `run-<id>`: rows of RunEvent. Type `run`, data `{"id", "run", "host", "kind", "state"}`, id the row's.
- `dash-live`, `live-<id>`: numbers that changed and have no row of their own. Type `live`, data `{"run", "log",
  "progress", "sensor"}` or, for the dashboard, `{"runs": [...]}`. Their id is the sum of the numbers. So a client that
  lost some events (overflow, reconnect) gets the present numbers once, and no event needs to be stored.

These events have no content; they say what changed. The page of a run also gets the fragments that changed, rendered
once for all who may do the same (runs/live/renderer.py). serving.py opens the streams, hub.py sends to them.
"""

from __future__ import annotations

import atexit
import json
from typing import Any

from django.db.models import Max
from django_eventstream.event import Event
from django_eventstream.storage import EventDoesNotExist
from django_eventstream.utils import parse_last_event_id

from runs.database.renewal import renew_connection
from runs.desk.request_numbers import whole_number
from runs.live import tailer
from runs.live.hub import Hub, Message
from runs.live.renderer import Renderer
from runs.models import RunEvent

DASHBOARD = "dash"
DASHBOARD_LIVE = "dash-live"
# How many events are read at once for a client that comes back, and how many it is sent before it is told to fetch
# everything instead.
BATCH = 100
MOST_MISSED = 1000


class UnknownChannel(ValueError):
    """There is no such channel; the message names it."""


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


class OutboxStorage:
    """What a client missed, read from the rows of RunEvent: one query per channel."""

    def get_events(self, channel: str, last_id: int, limit: int = 100) -> list[Event]:
        """The events after `last_id`. Raises EventDoesNotExist if there is no such row, for example in a database that
        was restored: the client then fetches everything."""
        renew_connection()
        if channel == DASHBOARD_LIVE or channel.startswith("live-"):
            return [event for event in [_present(channel)] if event and event.id != last_id]
        rows = _rows(channel).filter(pk__gte=last_id).order_by("pk")
        fields = rows.values_list("pk", "run_id", "run__host__name", "kind", "state_after")
        news = [tailer.News(*row) for row in fields[: limit + 1]]
        if last_id and (not news or news[0].id != last_id):
            raise EventDoesNotExist(f"no event {last_id} in {channel}", self.get_current_id(channel))
        return [_run_event(channel, item) for item in news if item.id != last_id]

    def get_current_id(self, channel: str) -> int:
        renew_connection()
        if channel == DASHBOARD_LIVE or channel.startswith("live-"):
            present = _present(channel)
            return present.id if present else 0
        return _rows(channel).aggregate(last=Max("id"))["last"] or 0


def missed(channel: str, last_id: int) -> list[Event]:
    """The events after `last_id`. Raises EventDoesNotExist if the client should fetch everything instead."""
    storage = OutboxStorage()
    found: list[Event] = []
    while more := storage.get_events(channel, found[-1].id if found else last_id, BATCH):
        found += more
        if len(more) < BATCH:
            break
        if len(found) > MOST_MISSED:
            raise EventDoesNotExist(f"more than {MOST_MISSED} events in {channel}", storage.get_current_id(channel))
    return found


def last_ids(header: str, channels: set[str]) -> dict[str, int]:
    """The last event that the browser had, by channel. An id that is not ours is ignored: the browser then fetches
    everything."""
    try:
        parsed = parse_last_event_id(header) if header else {}
    except ValueError:
        return {}
    numbers = {name: whole_number(last) for name, last in parsed.items() if name in channels}
    return {name: number for name, number in numbers.items() if number is not None}


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


def encoded(event: Event) -> Message:
    """Its data is JSON, so it has one line."""
    begin, end = f"event: {event.type}\n", f"data: {event.data}\n\n"
    return Message(event.channel, event.id or 0, begin.encode(), end.encode())


class Fanout:
    """Sends what the tailer saw to the streams of this process, and has the pages rendered that it makes stale."""

    def __init__(self, hub: Hub, renderer: Renderer) -> None:
        self._hub, self._renderer = hub, renderer
        self._progress: dict[int, int] = {}

    def event(self, news: tailer.News) -> None:
        self._renderer.mark(news.run)
        for channel in (DASHBOARD, f"run-{news.run}"):
            self._hub.tell(encoded(_run_event(channel, news)))

    def changed(self, run_id: int, versions: tailer.Versions) -> None:
        if self._progress.get(run_id) != versions.progress:
            self._progress[run_id] = versions.progress
            self._renderer.mark(run_id)
        self._hub.tell(encoded(_changed_event(run_id, versions)))

    def progressed(self, run_ids: list[int], total: int) -> None:
        self._hub.tell(encoded(Event(DASHBOARD_LIVE, "live", json.dumps({"runs": run_ids}), id=total)))


hub = Hub()
renderer = Renderer(hub)
watcher = tailer.Tailer(Fanout(hub, renderer))


@atexit.register
def _stop_watching() -> None:
    watcher.stop()
    renderer.stop()
