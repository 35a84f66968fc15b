"""Headers of every page, the escaping of invisible characters, and the refusal of unreadable requests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote

from asgiref.sync import iscoroutinefunction
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from hosts.readable import spelled_out
from runs.desk.request_numbers import not_understood

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
)

GetResponse = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]


def after(get_response: GetResponse, change: Callable[[HttpResponseBase], HttpResponseBase]) -> GetResponse:
    """Make a middleware from a function that only changes the answer."""
    if iscoroutinefunction(get_response):

        async def in_loop(request: HttpRequest) -> HttpResponseBase:
            return change(await get_response(request))

        return in_loop

    def in_thread(request: HttpRequest) -> HttpResponseBase:
        return change(_now(get_response, request))

    return in_thread


def _now(get_response: GetResponse, request: HttpRequest) -> HttpResponseBase:
    answer = get_response(request)
    assert isinstance(answer, HttpResponseBase), "only a coroutine function has its answer later"
    return answer


@sync_and_async_middleware
def content_security_policy(get_response: GetResponse) -> GetResponse:
    """No inline script or style, no other origin, no framing."""
    return after(get_response, _stamp)


@sync_and_async_middleware
def only_readable(get_response: GetResponse) -> GetResponse:
    """400 for text in another encoding than UTF-8, and for the character NUL in an address or a form: no name, number
    or sentence here has one, and PostgreSQL takes none. (Django answers 500 to a form in UTF-7.)"""
    if iscoroutinefunction(get_response):

        async def in_loop(request: HttpRequest) -> HttpResponseBase:
            return _unreadable(request) or await get_response(request)

        in_loop.process_view = _refuse_form  # type: ignore[attr-defined]
        return in_loop

    def in_thread(request: HttpRequest) -> HttpResponseBase:
        return _unreadable(request) or _now(get_response, request)

    in_thread.process_view = _refuse_form  # type: ignore[attr-defined]
    return in_thread


def _unreadable(request: HttpRequest) -> HttpResponse | None:
    if request.encoding is not None and request.encoding.lower() not in ("utf-8", "utf8"):
        return not_understood("this request says that it is in another encoding than UTF-8: send it in UTF-8")
    if "\0" in request.path_info or "\0" in unquote(request.META.get("QUERY_STRING", "")):
        return not_understood("the URL contains the character NUL, which is not allowed: remove it")
    return None


def _refuse_form(request: HttpRequest, view: Any, *_: Any) -> HttpResponse | None:
    """Not for agents, which send no forms: their messages are cleaned (agentapi/cleaning.py)."""
    if request.method != "POST" or getattr(view, "csrf_exempt", False):
        return None
    if any("\0" in text for name, values in request.POST.lists() for text in (name, *values)):
        return not_understood("the form contains the character NUL, which is not allowed: remove it")
    return None


@sync_and_async_middleware
def only_permitted_actions(get_response: GetResponse) -> GetResponse:
    """403 for an action of the administration that this account is not offered. (Django would answer as if no action
    had been chosen.)"""
    middleware = after(get_response, lambda response: response)
    middleware.process_view = _refuse_action  # type: ignore[attr-defined]
    return middleware


def _refuse_action(request: HttpRequest, view: Any, *_: Any) -> None:
    model_admin = getattr(view, "model_admin", None)
    if model_admin is None or request.method != "POST" or not request.user.is_staff:
        return
    wanted = set(filter(None, request.POST.getlist("action")))
    if wanted and (unknown := wanted - set(model_admin.get_actions(request))):
        word = min(unknown)[:40]
        raise PermissionDenied(
            f"Your account may not use the action {word!r} on {model_admin.opts.verbose_name_plural}, or there is no "
            "such action. An administrator can give it a role that may."
        )


@sync_and_async_middleware
def nothing_unseen(get_response: GetResponse) -> GetResponse:
    """Escape invisible characters and those that change the direction of text, on every page. (Text is made readable
    before it is stored, but pages also show text that is never stored: a search, a refused import, the name of a failed
    login.)"""
    return after(get_response, _spell_out)


def _stamp(response: HttpResponseBase) -> HttpResponseBase:
    response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    return response


def _spell_out(response: HttpResponseBase) -> HttpResponseBase:
    if not isinstance(response, HttpResponse) or not response.headers.get("Content-Type", "").startswith("text/html"):
        return response
    text = response.content.decode(response.charset)
    if (shown := spelled_out(text)) != text:
        response.content = shown
    return response
