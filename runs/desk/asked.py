"""What stands in an address or a form, as somebody from outside wrote it: numbers, and the answer to what is none."""

from __future__ import annotations

from django.http import HttpResponseBadRequest

DIGITS = 15
"""The longest that is taken for a number: any id, any size of a file."""


def whole_number(text: str, digits: int = DIGITS) -> int | None:
    """None for what is none. `²` is a digit to `str.isdigit` and breaks `int`; a number of 5,000 digits breaks it, too,
    and one of 20 the database."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= digits else None


def not_understood(reason: str) -> HttpResponseBadRequest:
    """400. The reason may quote what was asked for: a browser shows it as text, whatever it looks like."""
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
    return HttpResponseBadRequest(f"{reason}\n", content_type="text/plain; charset=utf-8", headers=headers)
