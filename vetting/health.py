"""`/livez` for the watchdog and load balancers: is the process alive? `/healthz` for monitoring: does everything
work?"""

from __future__ import annotations

import logging
from typing import Any

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache

from runs.bench import service_state
from runs.database import failures as dbfailures
from vetting import inforce

log = logging.getLogger("vetting.web")


@never_cache
def livez(request: HttpRequest) -> HttpResponse:
    """This process answers."""
    return HttpResponse("ok\n", content_type="text/plain")


async def alive(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """`livez` as a bare ASGI application: it needs no thread and no database."""
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"3"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else b"ok\n"})


@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """200 if the database answers and the worker did its round within 20 s, else 503 with the reason. Problems that no
    restart of ours fixes follow after `ok, but: `, one per line: what prevents booting or measuring, and what runs
    though it should not. With 503 they follow after `and: `."""
    problem = why_not_at_work()
    others = [f"{'and' if problem else 'ok, but'}: {one}" for one in inforce.problems_now()]
    lines = [problem, *others] if problem else others or ["ok"]
    return HttpResponse("\n".join(lines) + "\n", status=503 if problem else 200, content_type="text/plain")


def why_not_at_work() -> str:
    """What is wrong with the database or the worker, and what to do; empty if both work."""
    try:
        age_s = service_state.age_s()
    except DatabaseError as error:  # its text names server and user, and anybody may ask
        log.error("the database does not answer: %s", error)
        return dbfailures.reason(error)
    if age_s > service_state.SILENT_AFTER_S:
        since = "was done yet" if age_s == float("inf") else f"was done for {age_s:.0f} s"
        return f"no worker's round {since}: start vetting-worker, or look at its log"
    return ""
