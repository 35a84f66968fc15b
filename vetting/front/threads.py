"""Run Django's requests in a few permanent threads, each with its database connection. Otherwise Django starts two
threads for every request, which takes half of the time.

Each kind of request has its own threads, so that agents never wait behind pages or logins.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

from asgiref.sync import ThreadSensitiveContext

from runs.bench.allowance import OnceAMinute
from runs.database import limits as dblimits
from vetting.front.answers import not_now

Application = Callable[[dict[str, Any], Any, Any], Awaitable[None]]

# How many requests may wait for a thread: more could not be answered in time.
MAX_WAITING = 200


class Busy(Exception):
    """No thread became free in time."""


class Threads:
    """`count` threads. Each serves one request at a time; the thread used last is taken first, since its database
    connection is warm. Their connections have `limits`; a request waits up to `wait_s` for a thread."""

    def __init__(self, name: str, count: int, limits: dblimits.Limits, wait_s: float, most: int = MAX_WAITING) -> None:
        self._free = [
            ThreadPoolExecutor(1, thread_name_prefix=f"{name}-{n}", initializer=dblimits.use, initargs=(limits,))
            for n in range(count)
        ]
        self._turns = asyncio.Semaphore(count)
        self.name, self.wait_s, self.most = name, wait_s, most
        self.waiting = 0

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[None]:
        """Raises Busy."""
        await self._wait()
        executor = self._free.pop()
        try:
            async with ThreadSensitiveContext(executor=executor):
                yield
        finally:
            self._free.append(executor)
            self._turns.release()

    async def _wait(self) -> None:
        if not self._turns.locked():
            await self._turns.acquire()  # at once
            return
        if self.waiting >= self.most:
            raise Busy
        self.waiting += 1
        try:
            await asyncio.wait_for(self._turns.acquire(), self.wait_s)
        except TimeoutError:
            raise Busy from None
        finally:
            self.waiting -= 1


_told = OnceAMinute()


def pooled(application: Application, threads: Threads) -> Application:
    """`application` with its synchronous parts in `threads`. A request that gets no thread in time is refused."""

    async def in_a_kept_thread(scope: dict[str, Any], receive: Any, send: Any) -> None:
        try:
            async with threads.lend():
                await application(scope, receive, send)
        except Busy:
            _told.warn(threads.name, f"no thread for {threads.name} was free in time: {scope['path']} was answered 503")
            query = scope["query_string"].decode("latin-1")
            await not_now(scope["path"], "too many requests at once", query=query).send(send)

    return in_a_kept_thread
