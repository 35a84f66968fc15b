"""The content of the log viewer: the last lines on a run's page, any section on a page of its own."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict

from runs.desk.request_numbers import whole_number
from runs.files import log_search
from runs.files.log_search import Filter
from runs.models import Run

LINES = 200  # on a run's page, and in one answer to its script
PAGE_LINES = 500
_LONGEST_TEXT = 200
LEVELS = (("", "all levels"), ("info", "info and worse"), ("warning", "warnings and errors"), ("error", "errors only"))


class BadQuery(ValueError):
    """The URL asks for something that no log has; the message says what."""


def wanted(query: QueryDict) -> Filter:
    """Raises BadQuery for an unknown level."""
    level = query.get("level", "")
    if level not in log_search.LEVELS:
        raise BadQuery(f"level is {level[:40]!r}: it may be {', '.join(name for name in log_search.LEVELS if name)}")
    return Filter(level, query.get("q", "").strip()[:_LONGEST_TEXT])


def offset(query: QueryDict, name: str) -> int | None:
    """An offset in the file, None if none is given. Raises BadQuery for a text that is no number."""
    value = query.get(name, "")
    if value and (number := whole_number(value)) is None:
        raise BadQuery(f"{name} is {value[:40]!r}: give a number of bytes")
    return number if value else None


def context(run: Run, asked: Filter, count: int, before: int | None = None, after: int = 0) -> dict[str, Any]:
    end = run.log_bytes if before is None else min(before, run.log_bytes)
    found = log_search.find(run.pk, asked, count, end, after)
    return {"found": found, "filter": asked, "levels": LEVELS, "query": _query(asked), "newest": before is None}


def _query(asked: Filter) -> str:
    """The query that keeps the filter in a link: `&level=error&q=sda`, or nothing."""
    given = {name: value for name, value in (("level", asked.level), ("q", asked.text)) if value}
    return f"&{urlencode(given)}" if given else ""
