"""A thread in the web process that renders the pages of changed runs, once for all readers with the same permissions,
and sends them the fragments that differ."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterable

from django.db import DatabaseError, close_old_connections, connections
from django.http import Http404

from runs.bench import faults
from runs.desk import rendered, run_page
from runs.desk.rendering_cache import TOKEN, Shown
from runs.live import logins
from runs.live.hub import Group, Hub

log = logging.getLogger("vetting.live")

# Between two renderings of one run: this long at least, and longer where they cost much, so that a run with many
# events and many readers takes a quarter of the process at most.
GAP_S = 0.1
SHARE = 4
# The estimated CPU time, at least, to send one byte to one client. Another thread does it.
SECONDS_PER_BYTE = 1 / 100_000_000
RETRY_S = 1.0
# The thread ends if there was nothing to do for this long.
IDLE_S = 30.0


class Renderer:
    """Threads that see a change call `mark`. A run that is marked while it is rendered is rendered once more, so that
    the newest state is always sent in the end."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._changed = threading.Condition()
        self._due: dict[int, float] = {}
        self._not_before: dict[int, float] = {}
        self._stopped = False
        self._thread: threading.Thread | None = None

    def mark(self, run_id: int) -> None:
        """Note that the page of this run must be rendered again. The change is already committed."""
        if not self._hub.has_parts(f"run-{run_id}"):
            return
        with self._changed:
            if self._stopped:
                return
            self._due.setdefault(run_id, self._not_before.get(run_id, 0.0))
            self._changed.notify()
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="live-renderer", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join(2)

    def _run(self) -> None:
        try:
            while (run_id := self._next()) is not None:
                began, sent_bytes = time.monotonic(), 0
                with faults.confined(f"Rendering the page of run {run_id} for its readers"):
                    sent_bytes = self._render(run_id)
                now = time.monotonic()
                cost_s = now - began + sent_bytes * SECONDS_PER_BYTE
                self._rest(run_id, now + max(GAP_S, (SHARE - 1) * cost_s))
        finally:
            connections.close_all()

    def _rest(self, run_id: int, until: float) -> None:
        """Do not render this run again before `until`, even if it was marked while it was rendered."""
        with self._changed:
            self._not_before[run_id] = until
            if run_id in self._due:
                self._due[run_id] = max(self._due[run_id], until)

    def _next(self) -> int | None:
        """Wait for a run that is due. None if the thread should end."""
        with self._changed:
            until = time.monotonic() + IDLE_S
            while not self._stopped:
                now = time.monotonic()
                run_id = min(self._due, key=self._due.__getitem__, default=None)
                if run_id is not None and self._due[run_id] <= now:
                    del self._due[run_id]
                    return run_id
                if run_id is None and now >= until:
                    break
                self._changed.wait((until if run_id is None else self._due[run_id]) - now)
            self._thread = None
            self._not_before.clear()
            return None

    def _render(self, run_id: int) -> int:
        """Render for each group of readers and send. Returns the number of bytes in all."""
        try:
            close_old_connections()
            groups = list(self._allowed(run_id))
            sets = {group.permissions for group in groups}
            shown = rendered.for_all(run_id, sets, run_page.version(run_id)) if groups else {}
            return sum(self._send(group, shown[group.permissions]) for group in groups)
        except Http404:
            return 0  # the run was deleted
        except (DatabaseError, OSError) as error:
            log.warning("live pages: run %s was not rendered (%s), next try in %.0f s", run_id, error, RETRY_S)
            connections.close_all()
            with self._changed:
                self._due.setdefault(run_id, time.monotonic() + RETRY_S)
            return 0

    def _allowed(self, run_id: int) -> Iterable[Group]:
        """The groups that have readers. Streams of readers who may not see this any more are ended."""
        groups = self._hub.groups(f"run-{run_id}")
        over = logins.gone({login for _, held in groups for login in held}, time.time())
        for group, held in groups:
            if not over.isdisjoint(held):
                self._hub.finish(group, over)
            if not over.issuperset(held):
                yield group

    def _send(self, group: Group, shown: Shown) -> int:
        differ = [
            part.html.replace(TOKEN, "") for name, part in shown.parts.items() if group.tags.get(name) != part.tag
        ]
        data = json.dumps({"version": shown.version, "tags": shown.tags, "html": "".join(differ)})
        chunk = f"event: parts\ndata: {data}\n\n".encode()
        self._hub.push(group, chunk)
        group.tags = shown.tags
        return len(chunk) * len(group.streams)
