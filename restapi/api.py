"""The REST API put together: its errors, and the OpenAPI document."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, NoReturn

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.parser import Parser

from hosts.readable import readable
from restapi import auth, doing, problems, reading
from restapi.problems import Problem
from runs.desk.access import needs
from runs.machine import NotAllowed
from runs.profiles.load import ProfileError
from runs.transition import Refused

VERSION = "1"
ROOT = "/rest/v1/"
_WORDS = "Hosts, runs and what they found, for scripts and other systems. docs/api.md describes it."
_TOLD = 5
"""How many wrong values of a call are named."""


class _Readable(Parser):
    """Refuses text that no column takes: NUL and half characters."""

    def parse_body(self, request: HttpRequest) -> Any:
        return json.loads(request.body.decode(), object_pairs_hook=_pairs)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    for name, value in pairs:
        if readable(name) != name or (isinstance(value, str) and readable(value) != value):
            raise ValueError("it holds characters that can't be seen")
    return dict(pairs)


api = NinjaAPI(
    title="Vetting",
    version=VERSION,
    description=_WORDS,
    openapi_url=None,
    docs_url=None,
    urls_namespace="rest",
    auth=auth.Token(),
    parser=_Readable(),
)
api.add_router("", reading.router)
api.add_router("", doing.router)


@api.exception_handler(Problem)
def _problem(request: HttpRequest, problem: Problem) -> HttpResponse:
    return problems.answer(problem)


@api.exception_handler(AuthenticationError)
def _no_token(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    return problems.answer(Problem(401, "this call has no token"))


@api.exception_handler(PermissionDenied)
def _denied(request: HttpRequest, error: PermissionDenied) -> HttpResponse:
    return problems.answer(Problem(403, str(error)))


@api.exception_handler(Http404)
def _not_there(request: HttpRequest, error: Http404) -> HttpResponse:
    return problems.answer(Problem(404, str(error)))


@api.exception_handler(HttpError)
def _http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    text = "the body is no JSON object in UTF-8, or holds characters that can't be seen"
    return problems.answer(Problem(error.status_code, text if error.status_code == 400 else str(error)))


@api.exception_handler(ValidationError)
def _wrong_values(request: HttpRequest, error: ValidationError) -> HttpResponse:
    wrong = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors[:_TOLD]]
    return problems.answer(Problem(400, "; ".join(wrong)))


@api.exception_handler(Exception)
def _unforeseen(request: HttpRequest, error: Exception) -> NoReturn:
    """Django's middleware answers it: the database away, or a fault of ours."""
    raise error


def _refused(request: HttpRequest, error: Any) -> HttpResponse:
    return problems.answer(Problem(409, str(error)))


for _kind in (Refused, NotAllowed, ProfileError):
    api.add_exception_handler(_kind, _refused)


@cache
def document() -> bytes:
    """The OpenAPI document."""
    return json.dumps(api.get_openapi_schema(path_prefix=ROOT), indent=1).encode()


@require_safe
def openapi(request: HttpRequest) -> HttpResponseBase:
    """For operators only: with a login, or with a token."""
    if "Authorization" in request.headers:
        try:
            if not auth.Token()(request):
                raise Problem(401, "this call has no token")
        except Problem as problem:
            return problems.answer(problem)
    return _shown(request)


@needs()
def _shown(request: HttpRequest) -> HttpResponse:
    return HttpResponse(document(), content_type="application/json")
