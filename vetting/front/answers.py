"""Answers that need neither a database nor one of Django's threads: for a bare ASGI `send`, and as Django's
response."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.http import HttpResponse
from django.template.loader import render_to_string

from pxe import ipxe
from restapi import problems
from restapi.middleware import ROOT
from vetting.middleware import CONTENT_SECURITY_POLICY


@dataclass(frozen=True)
class Answer:
    status: int
    kind: str
    body: str
    retry_after_s: int

    def response(self) -> HttpResponse:
        return HttpResponse(self.body, status=self.status, headers={"Content-Type": self.kind, **self._headers()})

    async def send(self, send: Any) -> None:
        body = self.body.encode()
        named = {"Content-Type": self.kind, "Content-Length": str(len(body)), **self._headers()}
        headers = [(name.lower().encode(), value.encode()) for name, value in named.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _headers(self) -> dict[str, str]:
        return {
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": CONTENT_SECURITY_POLICY,
            **({"Retry-After": str(self.retry_after_s)} if self.retry_after_s else {}),
        }


def not_now(path: str, reason: str, *, status: int = 503, retry_after_s: int = 5, query: str = "") -> Answer:
    """A temporary refusal in the form that the client of this path understands: JSON for an agent, a script that asks
    again for iPXE, a page for people."""
    if path.startswith("/api/"):
        body = json.dumps({"error": f"not recorded ({reason}): send it again"})
        return Answer(status, "application/json", body, retry_after_s)
    if path.startswith(ROOT):
        return Answer(status, problems.CONTENT_TYPE, json.dumps(problems.content(status, reason)), retry_after_s)
    if path.startswith("/ipxe/"):
        url = f"{settings.VETTING.web.agent_url}{quote(path, safe='/:')}"  # nothing in it that iPXE would expand
        return Answer(200, "text/plain; charset=utf-8", ipxe.come_again(url, query, reason), 0)
    page = render_to_string("not_now.html", {"reason": reason, "retry_after_s": retry_after_s})
    return Answer(status, "text/html; charset=utf-8", page, retry_after_s)
