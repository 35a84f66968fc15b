"""A thread in the web process that watches the database and tells one subscriber what live pages must know.

It runs only while a live page is open. On SQLite it reads `PRAGMA data_version` every 20 ms on a read-only connection
of its own: the number changes with every commit of any process, and reading it takes 3 µs. On PostgreSQL it waits for
a NOTIFY that a trigger sends (migration `notify_live_pages`), and looks every second in any case.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

from django.db import DatabaseError, connection, connections
from django.db.models import F, Max, Sum

from runs.bench import faults
from runs.machine import LIVE
from runs.models import Run, RunEvent

log = logging.getLogger("vetting.live")

POLL_S = 0.02
# The pause after each look at the database, however many commits there are.
REST_S = 0.03
NOTIFY_S = 1.0
RETRY_S = 1.0
DASHBOARD_S = 1.0  # progress of one run is told to the dashboard at most this often
NOTIFY_CHANNEL = "vetting_live"


@dataclass(frozen=True)
class News:
    """What pages need of a row of RunEvent."""

    id: int
    run: int
    host: str
    kind: str
    state: str


@dataclass(frozen=True)
class Versions:
    """Numbers of a run that only rise. A change says which sections of its page are stale."""

    log: int
    progress: int
    sensor: int

    @property
    def total(self) -> int:
        return self.log + self.progress + self.sensor


def versions(run_ids: Iterable[int]) -> dict[int, Versions]:
    rows = Run.objects.filter(pk__in=list(run_ids)).values_list("pk", "log_bytes", "progress_seq", "sensor_seq")
    return {pk: Versions(*numbers) for pk, *numbers in rows}


def live_progress() -> dict[int, int]:
    """For each live run, a number that rises if what the dashboard shows of it changes."""
    rows = Run.objects.filter(state__in=LIVE).order_by()
    return dict(rows.values_list("pk", F("progress_seq") + F("sensor_seq")))


def dashboard_total() -> int:
    """A number that changes whenever `live_progress` of any run changes: the sum over the live runs plus the newest
    event. (When a run ends, its share of the sum disappears, but there is a new event.)"""
    live = Run.objects.filter(state__in=LIVE).aggregate(total=Sum(F("progress_seq") + F("sensor_seq")))["total"] or 0
    return live + (RunEvent.objects.aggregate(last=Max("id"))["last"] or 0)


class Subscriber(Protocol):
    """Gets what the tailer sees. Called in the tailer's thread."""

    def event(self, news: News) -> None: ...

    def changed(self, run_id: int, versions: Versions) -> None: ...

    def progressed(self, run_ids: list[int], total: int) -> None: ...


class Commits(Protocol):
    """Waits for commits of any process."""

    def wait(self) -> bool:
        """Wait for a short time. True if something may have been committed."""
        ...

    def close(self) -> None: ...


class SqliteCommits:
    """Reads `PRAGMA data_version` on a read-only connection."""

    def __init__(self, name: str) -> None:
        self._connection = sqlite3.connect(
            f"file:{quote(name)}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
        )
        self._seen = self._version()

    def wait(self) -> bool:
        time.sleep(POLL_S)
        before, self._seen = self._seen, self._version()
        return self._seen != before

    def close(self) -> None:
        self._connection.close()

    def _version(self) -> int:
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])


class PostgresCommits:
    """Waits for NOTIFY on a connection of its own. Raises DatabaseError, as Django's connection does."""

    def __init__(self, params: dict[str, Any]) -> None:
        import psycopg  # imported only if DATABASE_URL names PostgreSQL

        with connection.wrap_database_errors:
            self._connection = psycopg.connect(**params, autocommit=True)
            self._connection.execute(f"LISTEN {NOTIFY_CHANNEL}")

    def wait(self) -> bool:
        with connection.wrap_database_errors:
            for _ in self._connection.notifies(timeout=NOTIFY_S, stop_after=1):
                pass
        return True

    def close(self) -> None:
        self._connection.close()


def commits() -> Commits:
    """The `Commits` of the database that Django uses."""
    if connection.vendor == "sqlite":
        return SqliteCommits(str(connection.settings_dict["NAME"]))
    params = connection.get_connection_params()
    djangos = ("context", "cursor_factory", "prepare_threshold")
    return PostgresCommits({name: value for name, value in params.items() if name not in djangos})


class Tailer:
    """The thread. Streams call `watch` and `unwatch`; it runs from the first `watch` to the last `unwatch`."""

    def __init__(self, subscriber: Subscriber, watch: Callable[[], Commits] = commits) -> None:
        self._subscriber = subscriber
        self._watch_commits = watch
        self._lock = threading.Lock()
        self._watched: Counter[int] = Counter()
        self._streams = 0
        self._stop = threading.Event()
        self.thread: threading.Thread | None = None

    def _begin(self) -> None:
        """Begin with changes that are committed from now on. On PostgreSQL the last ids that are visible now are
        remembered, so that only rows with lower ids that are committed later are told."""
        self._last_id = RunEvent.objects.aggregate(last=Max("id"))["last"] or 0
        recent = (
            RunEvent.objects.filter(pk__gt=self._last_id - RunEvent.LATE_ROWS)
            if _late_rows()
            else RunEvent.objects.none()
        )
        self._recent = set(recent.values_list("pk", flat=True))
        self._told: dict[int, Versions] = {}
        self._told_dashboard: dict[int, int] = {}
        self._dashboard_at = 0.0
        self._dashboard_pending = False

    def watch(self, run_ids: Iterable[int] = ()) -> None:
        """Add a stream. After this returns, every later commit is seen: the stream reads its backlog then."""
        with self._lock:
            if self.thread is None:
                self._begin()  # first: it raises DatabaseError, and then nobody calls unwatch
                self._stop = threading.Event()
                self.thread = threading.Thread(target=self._run, args=(self._stop,), name="live-tailer", daemon=True)
                self.thread.start()
            self._streams += 1
            self._watched.update(run_ids)

    def unwatch(self, run_ids: Iterable[int] = ()) -> None:
        with self._lock:
            self._streams -= 1
            self._watched.subtract(run_ids)
            self._watched += Counter()
            if self._streams == 0:
                self._stop.set()
                self.thread = None

    def stop(self) -> None:
        """Stop the thread, since the process ends."""
        with self._lock:
            self._stop.set()
            thread, self.thread = self.thread, None
        if thread is not None:
            thread.join(2)

    def _run(self, stop: threading.Event) -> None:
        """No error ends the thread before its last stream: nobody would start another one."""
        commits_seen: Commits | None = None
        try:
            while not stop.is_set():
                try:
                    if commits_seen is None:
                        commits_seen = self._watch_commits()
                        self.look()
                    if commits_seen.wait() or self._dashboard_waits():
                        self.look()
                        stop.wait(REST_S)
                except Exception as error:
                    _log(error)
                    commits_seen = self._closed(commits_seen)
                    stop.wait(RETRY_S)
        finally:
            self._closed(commits_seen)
            connections.close_all()

    @staticmethod
    def _closed(commits_seen: Commits | None) -> None:
        connections.close_all()
        if commits_seen is not None:
            commits_seen.close()

    def look(self) -> None:
        """Tell the subscriber everything that is new since the last call."""
        self._tell_events()
        self._tell_changes()
        self._tell_dashboard()

    def _tell_events(self) -> None:
        back = RunEvent.LATE_ROWS if _late_rows() else 0
        rows = RunEvent.objects.filter(pk__gt=self._last_id - back).order_by("pk")
        fields = rows.values_list("pk", "run_id", "run__host__name", "kind", "state_after")
        for news in (News(*row) for row in fields.iterator(chunk_size=500)):
            is_new = news.id not in self._recent
            self._last_id = max(self._last_id, news.id)  # first: an event that can't be told is not tried again
            if back:
                self._recent.add(news.id)
            if is_new:
                self._subscriber.event(news)
        self._recent = {pk for pk in self._recent if pk > self._last_id - back}

    def _tell_changes(self) -> None:
        with self._lock:
            watched = list(self._watched)
        if not watched:
            return
        for run_id, now in versions(watched).items():
            if self._told.get(run_id) != now:
                self._told[run_id] = now
                self._subscriber.changed(run_id, now)

    def _dashboard_waits(self) -> bool:
        return self._dashboard_pending and time.monotonic() - self._dashboard_at >= DASHBOARD_S

    def _tell_dashboard(self) -> None:
        self._dashboard_pending = time.monotonic() - self._dashboard_at < DASHBOARD_S
        if self._dashboard_pending:
            return
        now, before = live_progress(), self._told_dashboard
        self._told_dashboard, self._dashboard_at = now, time.monotonic()
        if moved := [run_id for run_id, number in now.items() if before.get(run_id) != number]:
            self._subscriber.progressed(moved, dashboard_total())


def _log(error: Exception) -> None:
    if isinstance(error, DatabaseError | sqlite3.Error | OSError):
        log.warning("live pages: the database does not answer (%s), next try in %.0f s", error, RETRY_S)
    else:
        faults.note("Watching the database for live pages", error)


def _late_rows() -> bool:
    """Whether a row can become visible after one with a higher id. Not on SQLite, which has one writer at a time."""
    return connection.vendor != "sqlite"
