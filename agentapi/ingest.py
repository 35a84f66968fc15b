"""Group commit: heartbeats, logs and measurements of all agents go through one thread that commits whatever has
gathered, in one transaction. Nobody waits for a window: with one agent each call commits at once; with a thousand, many
share a commit. Each caller gets its answer after the commit that holds its rows. A transaction that has been open for
`GROUP_S` takes no more calls: the rest of the group follows in the next one.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from concurrent.futures import Future

from django.db import close_old_connections, connection

from agentapi import endpoint
from agentapi.endpoint import Answer, Request
from runs.database import limits as dblimits
from runs.database import transactions

log = logging.getLogger("vetting.ingest")
MAX_GROUP = 200
GROUP_S = 0.25
MAX_WAITING = 5000
Group = list[tuple[Request, Future[Answer]]]


class Overloaded(Exception):
    """More waits than can be answered in time; answered 503, and the agent sends it again."""


class Writer:
    """The one writing thread of this process; started at the first call, and again should it ever die."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[tuple[Request, Future[Answer]]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    async def submit(self, request: Request) -> Answer:
        """The answer, once it is committed. Raises Overloaded."""
        if self._waiting.qsize() > MAX_WAITING:
            raise Overloaded
        future: Future[Answer] = Future()
        self._waiting.put((request, future))
        self._ensure_running()
        return await asyncio.wrap_future(future)

    def _ensure_running(self) -> None:
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._write_for_ever, name="ingest", daemon=True)
                self._thread.start()

    def _write_for_ever(self) -> None:
        dblimits.use(dblimits.AGENT)
        while True:
            if group := self._gather():
                self.answer(group)

    def answer(self, group: Group) -> None:
        """Set each future: to its answer once it is committed, or to what kept it from being."""
        while group:
            group = self._write(group)

    def _write(self, group: Group) -> Group:
        """One transaction; the calls for which it had no more time."""
        try:
            answers = self._commit([request for request, _ in group])
        except Exception as error:  # whatever it is: these callers must hear of it, and the thread must live on
            log.exception("a group of %d calls was not committed", len(group))
            _fail(group, error)
            connection.close()
            return []
        for (_, future), answer in zip(group, answers, strict=False):
            future.set_result(answer)
        return group[len(answers) :]

    def _gather(self) -> Group:
        """What waits, by run: two processes that lock the same runs do so in the same order then. A caller that has
        hung up is left out; the others can't from here on (`cancel` has no effect on a future that runs)."""
        group = [self._waiting.get()]
        while len(group) < MAX_GROUP:
            try:
                group.append(self._waiting.get_nowait())
            except queue.Empty:
                break
        return sorted((one for one in group if one[1].set_running_or_notify_cancel()), key=lambda one: one[0].run)

    def _commit(self, requests: list[Request]) -> list[Answer]:
        """The answers of the first of these, at least of one."""
        close_old_connections()
        answers: list[Answer] = []
        with transactions.short(f"{len(requests)} calls of agents"):
            until_s = time.monotonic() + GROUP_S
            for request in requests:
                answers.append(_one(request))
                if time.monotonic() > until_s:
                    break
        return answers


def _one(request: Request) -> Answer:
    """One call of the group; a fault of ours in it must not take the others down. (What it wrote is in a savepoint of
    its own, which `answer` makes.) Raises where the fault has undone the whole transaction, as a full disk does in
    SQLite and a failed query outside the savepoint in PostgreSQL: the COMMIT would say nothing of it."""
    try:
        return endpoint.answer(request)
    except Exception:
        log.exception("run %s %s: not answered", request.run, request.call)
        if connection.needs_rollback or not connection.is_usable() or _is_undone():
            raise
        return endpoint.problem(500, "a fault of the orchestrator; its log says more")


def _is_undone() -> bool:
    """Whether SQLite has ended the transaction by itself, as it does on a full disk: where the statement was not within
    the call's savepoint, nothing of Django's knows of it."""
    return connection.vendor == "sqlite" and not connection.connection.in_transaction


def _fail(group: Group, error: Exception) -> None:
    for _, future in group:
        future.set_exception(error)


writer = Writer()
