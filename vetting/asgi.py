"""The web process: agents' hot calls, event streams, and Django for the rest.

    daphne vetting.asgi:application

- Heartbeat, log and sensor calls go to a bare ASGI application that commits for many at once.
- Event streams go to a Channels consumer. Through Django each would hold a thread and a database connection, and
  daphne would crash at its end while one is open (django-eventstream's view, 23 of 26 stops; the consumer, 0 of 16).
- Everything else goes to Django in one of a few threads that are kept, with their database connections. Without that
  Django starts two threads for every request, and half the time goes there.
"""

from __future__ import annotations

import asyncio
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


http = URLRouter(
    [
        re_path(r"^api/v1/runs/(?P<run>[0-9]{1,18})/(?P<call>heartbeat|log|sensor)$", hot.application),
        path("events/", AuthMiddlewareStack(live.Events.as_asgi())),
        re_path("", pooled(django_application, settings.WEB_THREADS)),
    ]
)
application = ProtocolTypeRouter({"http": http})


def end_streams_with_daphne() -> None:
    """daphne cancels its applications when it stops, but gives up at the first connection that is idle, and does not
    wait for the rest. So the streams are closed before."""
    reactor = sys.modules.get("twisted.internet.reactor")
    if reactor is not None and "daphne.server" in sys.modules:
        from twisted.internet.defer import Deferred

        reactor.addSystemEventTrigger(  # type: ignore[attr-defined]
            "before", "shutdown", lambda: Deferred.fromFuture(asyncio.ensure_future(live.close_all()))
        )


end_streams_with_daphne()
bootfiles.start_in_background()
