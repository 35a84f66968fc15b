"""End the event streams as soon as SIGTERM comes, under uvicorn.

uvicorn waits for all requests, and only then tells the application that it stops. An open page is a request without an
end: uvicorn waited for its whole time limit and then cancelled the streams. daphne tells us first (vetting/asgi.py).
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT)


def call_at_signals(end: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """From now on, run `end` in this event loop when the process is told to stop; then go on as the server wants.
    uvicorn sets its handlers before it starts the application, and removes ours with them."""
    if threading.current_thread() is not threading.main_thread():
        return  # only the main thread may set handlers
    for number in SIGNALS:
        _call_at(number, end, asyncio.get_running_loop())


def _call_at(
    number: signal.Signals, end: Callable[[], Coroutine[Any, Any, None]], loop: asyncio.AbstractEventLoop
) -> None:
    servers = signal.getsignal(number)
    if not callable(servers):
        return  # no server's: the signal ends the process at once
    tasks: list[asyncio.Task[None]] = []

    def stop(told: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(lambda: tasks.append(loop.create_task(end())))
        servers(told, frame)

    signal.signal(number, stop)
