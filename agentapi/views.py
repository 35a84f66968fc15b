"""The agent's calls as Django views: message in, one function of `runs`, message out."""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from agentapi import endpoint
from agentapi.endpoint import Answer, Request


@csrf_exempt
@require_POST
@never_cache
def call(request: HttpRequest, run: int, call: str) -> HttpResponse:
    """POST /api/v1/runs/{run}/{call}."""
    reply = _reply(request, run, call)
    headers = endpoint.more_headers(reply)
    return HttpResponse(reply.body, status=reply.status, content_type="application/json", headers=headers)


def _reply(request: HttpRequest, run: int, call: str) -> Answer:
    try:
        body = request.body
    except RequestDataTooBig:
        body = None
    if body is None or len(body) > settings.AGENT_BODY_LIMIT_BYTES:
        return endpoint.problem(413, f"more than {settings.AGENT_BODY_LIMIT_BYTES} bytes")
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    token = bearer.strip() if scheme.lower() == "bearer" else ""
    return endpoint.answer(Request(call, run, token, body, request.META.get("REMOTE_ADDR", "")))
