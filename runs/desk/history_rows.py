"""The rows of a run's history as HTML. An event hardly ever changes, and a page shows up to three hundred of them again
when one is added. So a row is rendered once, and found again by the values that it shows.

A page that has some rows is sent those that came since. It says what it has by a digest of its rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from django.db.models import QuerySet
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString

from hosts import bounds
from runs.models import Run, RunEvent

FIELDS = ("at", "actor", "who", "kind", "text", "state_before", "state_after")


@dataclass(frozen=True)
class History:
    """Events of a run, newest first, each as a row. `newest` has the FIELDS of the first. Unless `continues` is 0, the
    rows are to be put before those that the page has, which then shows the newest `continues` of all."""

    ids: list[int]
    rows: list[SafeString]
    newest: dict[str, Any]
    more: int = 0
    digest: str = ""
    continues: int = 0

    @property
    def newest_id(self) -> int:
        return self.ids[0] if self.ids else 0


def of(run: Run) -> History:
    """As many events as a page shows."""
    most = bounds.SHOWN_EVENTS.most
    found = _newest(run.events.all(), most)
    rows = rendered(values for _, *values in found)
    newest = dict(zip(FIELDS, found[0][1:], strict=True)) if found else {}
    more = run.events.count() - len(rows) if len(rows) == most else 0
    return History([pk for pk, *_ in found], rows, newest, more, digest(rows))


def since(run: Run, event_id: int, known: Collection[str]) -> History:
    """What a page lacks whose newest row is of this event and whose digest is among `known`: the rows since then, or
    all of them if its rows are not these any more."""
    now = of(run)
    count = sum(one > event_id for one in now.ids)
    if count == len(now.ids):
        return now
    # A page that shows as many as it may still has those that the newest have pushed out.
    pushed_out = _newest(run.events.filter(id__lt=now.ids[-1]), count) if now.more else []
    rows_of_page = [*now.rows[count:], *rendered(values for _, *values in pushed_out)]
    if digest(rows_of_page) not in known:
        return now
    return replace(now, ids=now.ids[:count], rows=now.rows[:count], continues=len(now.rows))


def _newest(events: QuerySet[RunEvent], most: int) -> list[tuple[Any, ...]]:
    """The number of each event, and its FIELDS."""
    return list(events.order_by("-id").values_list("id", *FIELDS)[:most])


def digest(rows: Iterable[str]) -> str:
    return hashlib.blake2b("".join(rows).encode(), digest_size=9).hexdigest()


def rendered(rows: Iterable[Iterable[Any]]) -> list[SafeString]:
    """One for each row of FIELDS, in this order."""
    zone = timezone.get_current_timezone_name()
    return [_row(zone, *row) for row in rows]


@lru_cache(maxsize=2048)
def _row(zone: str, *values: Any) -> SafeString:
    return render_to_string("runs/_history_row.html", {"event": dict(zip(FIELDS, values, strict=True))})
