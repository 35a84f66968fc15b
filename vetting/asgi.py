"""The web process: agents' hot calls, event streams, and Django for the rest.

    daphne vetting.asgi:application        (or uvicorn, with a proxy before it: docs/operations.md)

- Heartbeat, log and sensor calls are answered by `agentapi.hot`, which commits for many at once: under daphne straight
  from its connection (front/agents.py), else as a bare ASGI application.
- Event streams go to a bare ASGI application. Through Django each would hold a thread and a database connection,
  and daphne would crash at its end while one is open (django-eventstream's view, 23 of 26 stops).
- Everything else goes to Django in one of a few threads (front/threads.py): some for people, some for machines, one for
  passwords. `/livez` needs no thread at all.
- Requests that are too large or too slow were refused before (front/channel.py).
- Each request runs in a context of its own, whichever task received its bytes.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import sys
from collections.abc import Callable
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vetting.settings")
django_application = get_asgi_application()

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402  needs Django's settings
from django.conf import settings  # noqa: E402
from django.urls import path, re_path  # noqa: E402

from agentapi import hot  # noqa: E402
from pxe import bootfiles  # noqa: E402
from runs.database import limits as dblimits  # noqa: E402
from runs.live import serving as live  # noqa: E402
from vetting import health  # noqa: E402
from vetting.front import agents, stopping, trouble  # noqa: E402
from vetting.front.files import sent_apart  # noqa: E402
from vetting.front.logins import Logins, is_attempt, sets_password  # noqa: E402
from vetting.front.threads import Threads, pooled  # noqa: E402

Application = trouble.Application


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


dblimits.use_by_default(dblimits.PAGE)


def in_threads(name: str, count: int, limits: dblimits.Limits, wait_s: float, most: int) -> Application:
    """Django in threads of this kind; with VETTING_WEB_THREADS=0 in Django's own, without a limit."""
    if not settings.WEB_THREADS:
        return django_application
    return pooled(django_application, Threads(name, count, limits, wait_s, most))


def _is_taken() -> Callable[[Any], bool | None]:
    """Tells whether a client has taken what was sent to it. uvicorn's `send` waits for that by itself."""
    if "daphne.server" not in sys.modules:
        return lambda client: True
    from vetting.front import channel

    return channel.is_taken


people = sent_apart(in_threads("people", settings.WEB_THREADS, dblimits.PAGE, wait_s=30, most=200), _is_taken())
machines = in_threads("machines", settings.WEB_THREADS, dblimits.AGENT, wait_s=4, most=1000)
passwords = in_threads("passwords", 1, dblimits.PAGE, wait_s=10, most=8)
logins = Logins(passwords)


async def pages(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Send requests that hash a password to the one thread for them, all others to the threads for pages."""
    application = logins if is_attempt(scope) else passwords if sets_password(scope) else people
    await application(scope, receive, send)


def _view(application: Application) -> Any:
    """channels routes to applications where Django routes to views, and the types of `path` know views only."""
    return application


routes: list[Any] = [
    re_path(r"^api/v1/runs/(?P<run>[0-9]{1,18})/(?P<call>heartbeat|log|sensor)$", _view(hot.application)),
    path("events/", _view(trouble.answered(live.application))),
    path("livez", _view(health.alive)),
    re_path(r"^(?:api/|ipxe/|healthz$)", _view(machines)),
    re_path("", _view(pages)),
]
http = URLRouter(routes)
requests = Requests()


async def lifespan(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """uvicorn says when it starts and stops, daphne does not. uvicorn ends its own tasks by itself."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            stopping.call_at_signals(live.close_all)
        if message["type"] == "lifespan.shutdown":
            await live.close_all()
            await requests.finish()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


application = ProtocolTypeRouter({"http": requests.each_apart(http), "lifespan": lifespan})


async def end_all() -> None:
    await live.close_all()
    await agents.answering.end(limit_s=5)
    await requests.end()


def serve_with_daphne() -> None:
    """Use our connections, and wait for all applications when daphne stops. daphne cancels them but waits only for the
    first to end, and for none if it finds an idle connection. CPython then collects unfinished tasks and crashes (in 9
    of 13 stops under load)."""
    from vetting.front import channel

    channel.stand_before_daphne()
    reactor = sys.modules.get("twisted.internet.reactor")
    if reactor is not None:
        from twisted.internet.defer import Deferred

        reactor.addSystemEventTrigger(
            "before", "shutdown", lambda: Deferred.fromFuture(asyncio.ensure_future(end_all()))
        )


if "daphne.server" in sys.modules:
    serve_with_daphne()
gc.freeze()  # loaded code stays, so the garbage collector need not look at it again
bootfiles.start_in_background()
