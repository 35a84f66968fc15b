"""The web process: agents' hot calls, event streams, and Django for the rest (front/routing.py).

    daphne vetting.asgi:application        (or uvicorn, with a proxy before it: docs/operations.md)

Requests that are too large or too slow were refused before (front/channel.py). Importing this starts the boot files'
own server beside it.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vetting.settings")
django.setup(set_prefix=False)

from channels.routing import ProtocolTypeRouter  # noqa: E402  needs Django's settings

from pxe import bootfiles  # noqa: E402
from runs.live import serving as live  # noqa: E402
from vetting.front import agents, routing, stopping  # noqa: E402
from vetting.front.requests import Requests  # noqa: E402

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


application = ProtocolTypeRouter({"http": requests.each_apart(routing.http), "lifespan": lifespan})


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
