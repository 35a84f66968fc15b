"""Turn a failure of the database into an answer; this is done only here. The failed request was rolled back, so the
client may repeat it; the answer says who must act."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from django.db import DataError, Error
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.decorators import sync_and_async_middleware

from runs.database.failures import OTHERWISE, is_passing, reason
from runs.desk.request_numbers import not_understood
from vetting.front.answers import not_now
from vetting.middleware import GetResponse, after

log = logging.getLogger("vetting.web")

# An ASGI application: scope, receive, send.
Application = Callable[[Any, Any, Any], Awaitable[None]]


def answer(request: HttpRequest, error: Exception) -> HttpResponse | None:
    """The answer to a view that raised `error`; None if the database is not the cause. A value that the database does
    not accept (PostgreSQL: NUL; a number of 20 digits) is the client's error."""
    if isinstance(error, DataError | OverflowError):
        log.warning("%s %s: not answered", request.method, request.path[:200], exc_info=error)
        why = "this asks for a number, a date or a text that the database can't hold"
        return (
            JsonResponse({"error": why}, status=400) if request.path_info.startswith("/api/") else not_understood(why)
        )
    if not is_passing(error):
        return None
    _tell(request.method or "", request.path, error)
    query = request.META.get("QUERY_STRING", "")
    return not_now(request.path_info, reason(error), query=query).response()


@sync_and_async_middleware
def middleware(get_response: GetResponse) -> GetResponse:
    """Apply `answer` to errors of every Django view and of the rendering of its page."""
    passing = after(get_response, lambda response: response)
    passing.process_exception = answer  # type: ignore[attr-defined]
    return passing


def answered(application: Application) -> Application:
    """Do the same for an ASGI application outside Django, as long as it has not begun to answer."""

    async def guarded(scope: dict[str, Any], receive: Any, send: Any) -> None:
        begun = False

        async def noting(message: dict[str, Any]) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await application(scope, receive, noting)
        except Error as error:
            if begun or not is_passing(error):
                raise
            _tell(scope["method"], scope["path"], error)
            await not_now(scope["path"], reason(error)).send(send)

    return guarded


def _tell(method: str, path: str, error: Exception) -> None:
    """Log the error; with a traceback if its text is unknown, since SQLite calls some bugs of ours operational too."""
    known = reason(error) != OTHERWISE
    log.error("%s %s: not answered: %s", method, path, error, exc_info=None if known else error)
