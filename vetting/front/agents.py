"""Agents' frequent calls, taken from daphne's connection directly. For a call of some hundred bytes, the way through
ASGI (a scope, a queue, two tasks, the routes) takes longer than all that is done with it. The answer is the one that
`agentapi.hot` gives as an ASGI application, which another server than daphne uses.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable
from typing import Any

from agentapi import endpoint, hot

_PATH = re.compile(rb"/api/v1/runs/([0-9]{1,18})/(heartbeat|log|sensor)")


class Answering:
    """The calls that are being answered."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def take(self, request: Any) -> bool:
        """Begin to answer a request of daphne's if it is such a call. False, and nothing done, if it is not."""
        match = _PATH.fullmatch(request.uri) if request.method == b"POST" else None
        if match is None:
            return False
        values = request.requestHeaders.getRawHeaders(b"authorization") or ()
        token = next(filter(None, map(hot.bearer, values)), "")
        body = request.content.getvalue()
        call = endpoint.Request(match[2].decode(), int(match[1]), token, body, str(request.client.host))
        task = asyncio.get_running_loop().create_task(_answer(request, hot.reply(call)))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return True

    async def end(self, limit_s: float) -> None:
        if self._running:
            await asyncio.wait(self._running, timeout=limit_s)


async def _answer(request: Any, reply: Awaitable[endpoint.Answer]) -> None:
    answer = await reply
    if request.finished or request.channel is None:
        return  # the agent has hung up
    request.setResponseCode(answer.status)
    for name, value in hot.headers(answer):
        request.responseHeaders.addRawHeader(name, value)
    request.write(answer.body)
    request.finish()


answering = Answering()
