"""What every page carries, and what none may have in it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

from hosts.readable import spelled_out

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
)

GetResponse = Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]]


def after(get_response: GetResponse, change: Callable[[HttpResponse], HttpResponse]) -> GetResponse:
    """A middleware that changes the answer and lets every request by."""
    if iscoroutinefunction(get_response):

        async def middleware(request: HttpRequest) -> HttpResponse:
            return change(await get_response(request))
    else:

        def middleware(request: HttpRequest) -> HttpResponse:
            return change(get_response(request))

    return middleware


@sync_and_async_middleware
def content_security_policy(get_response: GetResponse) -> GetResponse:
    """No inline script or style, no other origin, no framing."""
    return after(get_response, _stamp)


@sync_and_async_middleware
def only_permitted_actions(get_response: GetResponse) -> GetResponse:
    """403 for an action of the administration that is not among those that this account is offered. (Django itself
    answers as though none had been chosen.)"""
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
    """No page holds a character that turns the direction of its text or can't be seen, whichever way it came in: it
    stands there as its escape. (Text is made readable before it is stored; pages also echo what never is: a search, a
    refused import, the name of a failed login.)"""
    return after(get_response, _spell_out)


def _stamp(response: HttpResponse) -> HttpResponse:
    response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    return response


def _spell_out(response: HttpResponse) -> HttpResponse:
    if response.streaming or not response.headers.get("Content-Type", "").startswith("text/html"):
        return response
    text = response.content.decode(response.charset)
    if (shown := spelled_out(text)) != text:
        response.content = shown
    return response
