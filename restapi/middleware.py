"""What is the same for every address of the REST API, whatever answers it: the size of a body, the shape of an error,
and ETags."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response, set_response_etag
from django.utils.decorators import sync_and_async_middleware

from restapi import problems
from restapi.problems import Problem
from runs.files import sending

ROOT = "/rest/"
GetResponse = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]
BODY_BYTES = 64 * 1024
"""More than any call needs."""


@sync_and_async_middleware
def one_shape(get_response: GetResponse) -> GetResponse:
    """Only for addresses below ROOT; all others pass."""
    if iscoroutinefunction(get_response):

        async def in_loop(request: HttpRequest) -> HttpResponseBase:
            refusal = _too_large(request)
            return refusal if refusal else _shaped(request, await get_response(request))

        return in_loop

    def in_thread(request: HttpRequest) -> HttpResponseBase:
        refusal = _too_large(request)
        if refusal:
            return refusal
        response = get_response(request)
        assert isinstance(response, HttpResponseBase), "only a coroutine function has its answer later"
        return _shaped(request, response)

    return in_thread


def _too_large(request: HttpRequest) -> HttpResponse | None:
    if not request.path_info.startswith(ROOT) or request.method in ("GET", "HEAD"):
        return None
    announced = request.headers.get("Content-Length", "")
    if (int(announced) if announced.isdecimal() else len(request.body)) <= BODY_BYTES:
        return None
    return problems.answer(Problem(413, f"the body has more than {BODY_BYTES} bytes"))


def _shaped(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    if not request.path_info.startswith(ROOT) or not isinstance(response, HttpResponse):
        return response
    if sending.is_handed_over(response):
        return response
    is_json = response.headers.get("Content-Type", "").startswith("application/json")
    if response.status_code >= 400:
        return response if is_json else _rewritten(response)
    if is_json and response.status_code == 200 and request.method == "GET":
        set_response_etag(response)
        response.headers.setdefault("Cache-Control", "private, no-cache")
        return get_conditional_response(request, response.headers["ETag"], None, response) or response
    return response


def _rewritten(response: HttpResponse) -> HttpResponse:
    """The same refusal as JSON. Only plain text says why; a page is for people."""
    is_text = response.headers.get("Content-Type", "").startswith("text/plain")
    text = response.content.decode(errors="replace") if is_text else ""
    shaped = problems.answer(Problem(response.status_code, text))
    for name in ("Allow", "Retry-After", "WWW-Authenticate"):
        if name in response.headers:
            shaped.headers[name] = response.headers[name]
    return shaped
