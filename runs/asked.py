"""Numbers that stand in an address or a form, as somebody from outside wrote them."""

from __future__ import annotations

DIGITS = 15
"""The longest that is taken for a number: any id, any size of a file."""


def whole_number(text: str, digits: int = DIGITS) -> int | None:
    """None for what is none. `²` is a digit to `str.isdigit` and breaks `int`; a number of 5,000 digits breaks it, too,
    and one of 20 the database."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= digits else None
