"""The rows of a run's history as HTML. Events hardly ever change, but when one is added, a page shows up to three
hundred of them again. So each row is rendered once and kept under the values that it shows."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString

FIELDS = ("at", "actor", "who", "kind", "text", "state_before", "state_after")


def rendered(rows: Iterable[tuple[Any, ...]]) -> list[SafeString]:
    """One for each row of FIELDS, in this order."""
    zone = timezone.get_current_timezone_name()
    return [_row(zone, *row) for row in rows]


@lru_cache(maxsize=2048)
def _row(zone: str, *values: Any) -> SafeString:
    return render_to_string("runs/_history_row.html", {"event": dict(zip(FIELDS, values, strict=True))})
