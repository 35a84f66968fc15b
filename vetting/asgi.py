"""The web process: agents' hot calls, event streams, and Django for the rest.

    daphne vetting.asgi:application

- Heartbeat, log and sensor calls go to a bare ASGI application that commits for many at once.
- Event streams go to a Channels consumer. Through Django each would hold a thread and a database connection, and
  daphne would crash at its end while one is open (django-eventstream's view, 23 of 26 stops; the consumer, 0 of 16).
- Everything else goes to Django in one of a few threads that are kept, with their database connections. Without that
  Django starts two threads for every request, and half the time goes there.
- Each request runs in a context of its own, whichever task its bytes happened to arrive in.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

from asgiref.sync import ThreadSensitiveContext
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vetting.settings")
django_application = get_asgi_application()

from channels.auth import AuthMiddlewareStack  # noqa: E402  needs Django's settings
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.conf import settings  # noqa: E402
from django.urls import path, re_path  # noqa: E402

from agentapi import hot  # noqa: E402
from pxe import bootfiles  # noqa: E402
from runs import live  # noqa: E402

Application = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


class Threads:
    """A fixed number of threads, each lent to one request at a time; the one used last is lent first, since its
    database connection is warm."""

    def __init__(self, count: int) -> None:
        self._free = [ThreadPoolExecutor(1, thread_name_prefix=f"django-{n}") for n in range(count)]
        self._turns = asyncio.Semaphore(count)

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[None]:
        async with self._turns:
            executor = self._free.pop()
            try:
                async with ThreadSensitiveContext(executor=executor):
                    yield
            finally:
                self._free.append(executor)


def pooled(application: Application, count: int) -> Application:
    """`application` with its synchronous parts in `count` lasting threads; as it is where `count` is 0."""
    if not count:
        return application
    threads = Threads(count)

    async def in_a_kept_thread(scope: dict[str, Any], receive: Any, send: Any) -> None:
        async with threads.lend():
            await application(scope, receive, send)

    return in_a_kept_thread


class Requests:
    """The requests that are being answered, each a task in an empty context.

    daphne starts a request from whatever code handed on its bytes. A browser that has all of an answer sends its next
    request at once; where daphne is still finishing the first, that second one starts inside the first one's context,
    and looks for its database in a thread that by then was given back: it hung or was answered 500, seen on a busy
    machine in one of two starts of a page.
    """

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def each_apart(self, application: Application) -> Application:
        async def in_its_own_context(scope: dict[str, Any], receive: Any, send: Any) -> None:
            task = asyncio.create_task(application(scope, receive, send), context=contextvars.Context())
            self._running.add(task)
            task.add_done_callback(self._running.discard)
            await asyncio.shield(task)

        return in_its_own_context

    async def end(self, limit_s: float = 5) -> None:
        """Let them finish, then break off whatever task is left, and wait until it is gone. (A request of Django's
        that is cancelled leaves two tasks of its own behind.)"""
        if self._running:
            await asyncio.wait(self._running, timeout=limit_s)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


http = URLRouter(
    [
        re_path(r"^api/v1/runs/(?P<run>[0-9]{1,18})/(?P<call>heartbeat|log|sensor)$", hot.application),
        path("events/", AuthMiddlewareStack(live.Events.as_asgi())),
        re_path("", pooled(django_application, settings.WEB_THREADS)),
    ]
)
requests = Requests()
application = ProtocolTypeRouter({"http": requests.each_apart(http)})


async def end_all() -> None:
    await live.close_all()
    await requests.end()


def end_all_with_daphne() -> None:
    """daphne cancels its applications when it stops, but waits for the first to end only, and for none where it finds
    an idle connection. CPython then collects what is half done, and crashes (in 9 of 13 stops under load)."""
    reactor = sys.modules.get("twisted.internet.reactor")
    if reactor is not None and "daphne.server" in sys.modules:
        from twisted.internet.defer import Deferred

        reactor.addSystemEventTrigger(  # type: ignore[attr-defined]
            "before", "shutdown", lambda: Deferred.fromFuture(asyncio.ensure_future(end_all()))
        )


end_all_with_daphne()
bootfiles.start_in_background()
