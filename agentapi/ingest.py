"""Group commit: one thread writes the heartbeats, logs and measurements of all agents. It commits all waiting calls in
one transaction, with one statement for each table (`together.py`). Each caller is answered after its rows are
committed. There is no fixed waiting time: with one agent each call commits at once. While several agents call at the
same time, the thread rests `REST_S` between two transactions, so that more of them share the next one.

Calls that can't be answered in this way follow in a second transaction, one after the other, each in a savepoint of its
own: refused calls, calls that change a state, and all calls of a group in which an error occurred. A transaction that
has been open for `GROUP_S` takes no more of them: the rest follows in the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import threading
import time
from concurrent.futures import Future

from django.db import close_old_connections, connection

from agentapi import endpoint, together
from agentapi.endpoint import Answer, Request
from runs.database import failures as dbfailures
from runs.database import limits as dblimits
from runs.database import transactions
from runs.together import Stale

log = logging.getLogger("vetting.ingest")
MAX_GROUP = 200
GROUP_S = 0.25
REST_S = 0.02
# A group of this size is worth its transaction: no rest after it.
ENOUGH = 50
# The number of calls that can be answered within two seconds.
MAX_WAITING = 4000
Group = list[tuple[Request, Future[Answer]]]
_Ready = tuple[asyncio.AbstractEventLoop, "asyncio.Future[Answer]", "Future[Answer]"]


class Overloaded(Exception):
    """Too many calls wait to be answered in time. Answered 503; the agent sends the call again."""


class Writer:
    """The one writing thread of this process. It is started at the first call, and again if it ever dies."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[tuple[Request, Future[Answer]]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._ready: list[_Ready] = []

    async def submit(self, request: Request) -> Answer:
        """Wait for the answer, which comes once it is committed. Raises Overloaded."""
        if self._waiting.qsize() > MAX_WAITING:
            raise Overloaded
        loop = asyncio.get_running_loop()
        future: Future[Answer] = Future()
        answered: asyncio.Future[Answer] = loop.create_future()
        future.add_done_callback(lambda done: self._ready.append((loop, answered, done)))
        self._waiting.put((request, future))
        self._ensure_running()
        try:
            return await answered
        finally:
            future.cancel()  # this has no effect if the call was answered or is being committed

    def _ensure_running(self) -> None:
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._write_for_ever, name="ingest", daemon=True)
                self._thread.start()

    def _write_for_ever(self) -> None:
        dblimits.use(dblimits.AGENT)
        while True:
            group = self._gather()
            self.answer(group)
            if 1 < len(group) < ENOUGH:
                time.sleep(REST_S)

    def answer(self, group: Group) -> None:
        """Set the result of each future: its answer once it is committed, or the error that prevented it."""
        if group:
            group = self._write_together(group)
            self._hand_out()
        while group:
            group = self._write(group)
            self._hand_out()

    def _hand_out(self) -> None:
        """Wake the waiting callers, a whole group at once. To wake the event loop for each caller would take longer
        than the write itself."""
        ready, self._ready = self._ready, []
        for loop in dict.fromkeys(loop for loop, _, _ in ready):
            mine = [(answered, done) for one, answered, done in ready if one is loop]
            with contextlib.suppress(RuntimeError):  # the event loop has ended, and so have the callers that waited
                loop.call_soon_threadsafe(_give, mine)

    def _write_together(self, group: Group) -> Group:
        """Answer the calls that need no transaction of their own. Returns the others: all of them after an error, which
        may be that of one call only."""
        try:
            close_old_connections()
            answers = together.answer([request for request, _ in group])
        except Exception as error:  # any error: the thread must go on
            if dbfailures.is_passing(error):
                _not_committed(group, error)
                return []
            is_known = isinstance(error, OSError | Stale)
            log.warning("%d calls go one by one: %s", len(group), error, exc_info=None if is_known else error)
            return group
        left = []
        for one, answer in zip(group, answers, strict=True):
            one[1].set_result(answer) if answer else left.append(one)
        return left

    def _write(self, group: Group) -> Group:
        """Write one transaction. Returns the calls for which there was no time."""
        try:
            answers = self._commit([request for request, _ in group])
        except Exception as error:  # any error: these callers must get it, and the thread must go on
            _not_committed(group, error)
            return []
        for (_, future), answer in zip(group, answers, strict=False):
            future.set_result(answer)
        return group[len(answers) :]

    def _gather(self) -> Group:
        """The waiting calls, sorted by run, so that two processes lock the same runs in the same order. A caller that
        has hung up is left out; from here on the others can't (`cancel` has no effect on a running future)."""
        group = [self._waiting.get()]
        while len(group) < MAX_GROUP:
            try:
                group.append(self._waiting.get_nowait())
            except queue.Empty:
                break
        return sorted((one for one in group if one[1].set_running_or_notify_cancel()), key=lambda one: one[0].run)

    def _commit(self, requests: list[Request]) -> list[Answer]:
        """Commit the first of these calls, at least one, and return their answers."""
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
    """Answer one call of the group. A bug in it must not fail the others: its writes are in a savepoint of their own,
    which `answer` makes. Raises if the error has undone the whole transaction (SQLite: a full disk; PostgreSQL: a
    failed query outside the savepoint), since the COMMIT would not report it."""
    try:
        return endpoint.answer(request)
    except Exception:
        log.exception("run %s %s: not answered", request.run, request.call)
        if connection.needs_rollback or not connection.is_usable() or _is_undone():
            raise
        return endpoint.problem(500, "a fault of the orchestrator; its log says more")


def _is_undone() -> bool:
    """Whether SQLite has ended the transaction by itself, as it does on a full disk. Django does not notice this if the
    statement was outside of the call's savepoint."""
    return connection.vendor == "sqlite" and not connection.connection.in_transaction


def _give(answers: list[tuple[asyncio.Future[Answer], Future[Answer]]]) -> None:
    """Called in the event loop."""
    for answered, done in answers:
        if answered.done() or done.cancelled():
            continue
        if (error := done.exception()) is not None:
            answered.set_exception(error)
        else:
            answered.set_result(done.result())


def _not_committed(group: Group, error: Exception) -> None:
    log.error("a group of %d calls was not committed", len(group), exc_info=error)
    for _, future in group:
        future.set_exception(error)
    connection.close()


writer = Writer()
