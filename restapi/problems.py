"""What is answered when a call is not carried out: one JSON object of one shape, which says what to do."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus

from django.http import HttpResponse

from hosts import bounds

CONTENT_TYPE = "application/json; charset=utf-8"


@dataclass(frozen=True)
class _Kind:
    """The word for programs, and what to do unless more is known."""

    code: str
    do: str


KINDS: dict[int, _Kind] = {
    400: _Kind("not_understood", "correct the call: /rest/v1/openapi.json describes it"),
    401: _Kind("no_token", "send 'Authorization: Bearer TOKEN' with a token that is neither revoked nor expired"),
    403: _Kind("not_allowed", "use a token with this scope, of an account with this permission"),
    404: _Kind("not_there", "look at the list: /rest/v1/hosts or /rest/v1/runs"),
    405: _Kind("no_such_method", "use a method that the header Allow names"),
    409: _Kind("refused", "look at the present state, and call again once it allows this"),
    413: _Kind("too_large", "send less"),
    429: _Kind("too_often", "wait for the seconds of Retry-After, then send it again"),
    500: _Kind("fault_of_ours", "report it, with the time: the log of the web process says more"),
    503: _Kind("not_now", "wait for the seconds of Retry-After, then send it again"),
}


class Problem(Exception):
    """The call is not carried out. `retry_after_s` is sent as a header if it is not 0."""

    def __init__(self, status: int, error: str, do: str = "", *, retry_after_s: int = 0) -> None:
        super().__init__(error)
        self.status, self.error, self.do, self.retry_after_s = status, error, do, retry_after_s


def content(status: int, error: str, do: str = "") -> dict[str, str]:
    kind = KINDS.get(status) or KINDS[500 if status >= 500 else 400]
    text = " ".join(error.split()) or HTTPStatus(status).phrase.lower()
    return {"code": kind.code, "error": bounds.ANSWER.cut(text), "do": do or kind.do}


def answer(problem: Problem) -> HttpResponse:
    headers = {"Cache-Control": "no-store"}
    if problem.retry_after_s:
        headers["Retry-After"] = str(problem.retry_after_s)
    if problem.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    body = json.dumps(content(problem.status, problem.error, problem.do))
    return HttpResponse(body, status=problem.status, content_type=CONTENT_TYPE, headers=headers)
