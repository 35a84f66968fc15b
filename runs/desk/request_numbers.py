"""Read numbers from a URL or a form. A text that is no number is answered 400."""

from __future__ import annotations

from django.http import HttpResponseBadRequest

DIGITS = 15
"""The maximum number of digits: enough for any id and any file size."""


def whole_number(text: str, digits: int = DIGITS) -> int | None:
    """The number, or None if the text is none. `str.isdigit` accepts `²`, which `int` refuses; `int` also refuses 5,000
    digits, and the database 20."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= digits else None


def not_understood(reason: str) -> HttpResponseBadRequest:
    """A response 400. The reason may quote the request, so it is sent as plain text."""
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
    return HttpResponseBadRequest(f"{reason}\n", content_type="text/plain; charset=utf-8", headers=headers)
