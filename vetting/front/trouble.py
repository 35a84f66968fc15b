"""The one place where a failure of the database becomes an answer. What failed is undone, so whoever asked may ask
again; the answer says who has to do something about it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from django.db import Error, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

from vetting.front.answers import not_now
from vetting.middleware import GetResponse, after

log = logging.getLogger("vetting.web")

# Words of SQLite's and PostgreSQL's messages, in lower case, and what they mean to somebody who waits.
REASONS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("locked", "lock timeout", "deadlock"), "the database is busy with another write"),
    (("interrupted", "statement timeout"), "the database took too long"),
    (("is full", "no space left"), "the orchestrator's disk is full: whoever runs it must free space"),
    (("readonly", "read-only"), "the database can't be written: whoever runs the orchestrator must look at its disk"),
    (("disk i/o", "malformed"), "the orchestrator's disk fails: whoever runs it must look at it"),
)
OTHERWISE = "the database does not answer"

Application = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


def is_passing(error: BaseException) -> bool:
    """Whether the same call may succeed later. A statement that is wrong stays wrong."""
    return isinstance(error, OperationalError | InterfaceError)


def reason(error: BaseException) -> str:
    text = str(error).lower()
    return next((meaning for words, meaning in REASONS if any(word in text for word in words)), OTHERWISE)


def answer(request: HttpRequest, error: Exception) -> HttpResponse | None:
    """For a view that raised `error`: None where the database is not to blame."""
    if not is_passing(error):
        return None
    _tell(request.method or "", request.path, error)
    query = request.META.get("QUERY_STRING", "")
    return not_now(request.path_info, reason(error), query=query).response()


@sync_and_async_middleware
def middleware(get_response: GetResponse) -> GetResponse:
    """Puts `answer` after every view of Django's, and after the rendering of its page."""
    passing = after(get_response, lambda response: response)
    passing.process_exception = answer  # type: ignore[attr-defined]
    return passing


def answered(application: Application) -> Application:
    """The same around an ASGI application that is not Django's, as long as it has not begun to answer."""

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
    log.error("%s %s: not answered: %s", method, path, error)
