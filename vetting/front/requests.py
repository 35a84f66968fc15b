"""The requests that are being answered. Each runs in a context of its own, whichever task received its bytes."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any

from vetting.front.trouble import Application


class Requests:
    """The requests that are being answered, each a task in an empty context.

    daphne starts a request in the context of the code that received its bytes. A browser sends its next request as soon
    as it has an answer. If daphne is still finishing the first request, the second starts in the first one's context
    and looks for its database in a thread that was already given back. It then hung or was answered 500; on a busy
    machine this happened in every second page load.
    """

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def each_apart(self, application: Application) -> Application:
        async def in_its_own_context(scope: dict[str, Any], receive: Any, send: Any) -> None:
            async def answer() -> None:
                await application(scope, receive, send)

            task = asyncio.create_task(answer(), context=contextvars.Context())
            self._running.add(task)
            task.add_done_callback(self._running.discard)
            await asyncio.shield(task)

        return in_its_own_context

    async def finish(self, limit_s: float = 5) -> None:
        """Let the requests finish."""
        if self._running:
            await asyncio.wait(self._running, timeout=limit_s)

    async def end(self) -> None:
        """Let the requests finish, then cancel the tasks that are left and wait for their end. (A cancelled request of
        Django's leaves two tasks of its own behind.)"""
        await self.finish()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
