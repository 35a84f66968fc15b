"""Which application answers a request. Importing this starts nothing.

- Heartbeat, log and sensor calls are answered by `agentapi.hot`, which commits for many at once: under daphne straight
  from its connection (agents.py), else as a bare ASGI application.
- Event streams go to a bare ASGI application. Through Django each would hold a thread and a database connection,
  and daphne would crash at its end while one is open (django-eventstream's view, 23 of 26 stops).
- Everything else goes to Django in one of a few threads (threads.py): some for people, some for machines, one for
  passwords. `/livez` needs no thread at all.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from channels.routing import URLRouter
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.urls import path, re_path

from agentapi import hot
from runs.database import limits as dblimits
from runs.live import serving as live
from vetting import health
from vetting.front import trouble
from vetting.front.files import sent_apart
from vetting.front.logins import Logins, is_attempt, sets_password
from vetting.front.threads import Threads, pooled
from vetting.front.trouble import Application

django_application = get_asgi_application()
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


http = URLRouter(
    [
        re_path(r"^api/v1/runs/(?P<run>[0-9]{1,18})/(?P<call>heartbeat|log|sensor)$", _view(hot.application)),
        path("events/", _view(trouble.answered(live.application))),
        path("livez", _view(health.alive)),
        re_path(r"^(?:api/|ipxe/|healthz$)", _view(machines)),
        re_path("", _view(pages)),
    ]
)
