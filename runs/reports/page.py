"""Shortens the document of a report for its page: long lists keep their worst entries, so that a browser can open the
page and somebody can print it. `report.json` beside it has the whole document."""

from __future__ import annotations

from typing import Any

from django.utils.html import escape

from hosts import bounds
from runs.models import Outcome, Severity
from runs.reports.stage_rows import Document

_ROW_CHARS = 200  # of markup around a row
_WORST_FIRST = {
    Outcome.FAILED: 0, Severity.CRITICAL: 0, Outcome.NOT_TESTED: 1, "": 1, Severity.WARNING: 1, Outcome.PASSED: 2,
}  # fmt: skip
_OF_ATTEMPT = ("findings", "checks", "counters", "numbers", "evidence")


def shown(content: Document) -> Document:
    """The document with shorter lists. `not_shown` has, for each list, the number of entries that only `report.json`
    has."""
    page = dict(content)
    page["parts"] = content.get("parts") or []  # older reports have none
    for name in ("parts", "not_tested", "measurements", "ladder", "refusals"):
        page[name] = _first(page[name], _Room())
    page["events"] = _first(content["events"][::-1], _Room())[::-1]  # the newest
    page["changes"] = dict(content["changes"])
    for name in ("since_last_run", "against_expected"):
        page["changes"][name] = rows and _first(rows, _Room()) if (rows := content["changes"][name]) else rows
    page["stages"] = _stages(content["stages"])
    page["not_shown"] = _lacking(content, page) | _lacking(content["changes"], page["changes"])
    return page


class _Room:
    """How many characters of one kind of list still fit on the page."""

    def __init__(self) -> None:
        self.left = bounds.REPORT_LIST.most

    def takes(self, value: Any) -> bool:
        """Whether it still fits. A list ends with the first entry that does not."""
        size = _ROW_CHARS + len(escape(str(value)))
        if size > self.left:
            return False
        self.left -= size
        return True


def _first(rows: list[Any], room: _Room) -> list[Any]:
    for number, row in enumerate(rows):
        if not room.takes(row):
            return rows[:number]
    return rows


def _stages(stages: list[Document]) -> list[Document]:
    """For each kind of entry, all attempts together get the room of one list."""
    attempts = [attempt for stage in stages for attempt in stage["attempts"]]
    kept = {name: _worst([_entries(attempt, name) for attempt in attempts]) for name in _OF_ATTEMPT}
    short = {id(attempt): _attempt(attempt, {n: kept[n][at] for n in kept}) for at, attempt in enumerate(attempts)}
    return [{**stage, "attempts": [short[id(attempt)] for attempt in stage["attempts"]]} for stage in stages]


def _attempt(attempt: Document, kept: dict[str, list[Any]]) -> Document:
    page = {**attempt, **kept, "evidence": dict(kept["evidence"])}
    return page | {"not_shown": _lacking(attempt, page)}


def _entries(attempt: Document, name: str) -> list[tuple[tuple[int, int], Any]]:
    """Each entry with its rank: bad entries come first, then those of attempts that did not pass."""
    of_attempt = _rank(attempt["outcome"])
    if name == "evidence":
        return [((of_attempt, 0), (file, _cut(str(text)))) for file, text in attempt["evidence"].items()]
    return [((_rank(row.get("severity", row.get("outcome", ""))), of_attempt), row) for row in attempt[name]]


def _worst(lists: list[list[tuple[tuple[int, int], Any]]]) -> list[list[Any]]:
    """The entries of each list that fit into the common room, in their order. The worst are chosen first, and newer
    attempts before older ones."""
    ranked = [(rank, -at, number) for at, entries in enumerate(lists) for number, (rank, _) in enumerate(entries)]
    room, kept = _Room(), set()
    for _, at, number in sorted(ranked):
        if not room.takes(lists[-at][number][1]):
            break
        kept.add((-at, number))
    return [[row for n, (_, row) in enumerate(entries) if (at, n) in kept] for at, entries in enumerate(lists)]


def _cut(text: str) -> str:
    most = bounds.REPORT_EVIDENCE.most
    return text if len(text) <= most else f"{text[:most]}\n… and {len(text) - most} more characters, in report.json"


def _rank(word: str) -> int:
    return _WORST_FIRST.get(word, 2)


def _lacking(whole: Document, page: Document) -> dict[str, int]:
    lists = {name: rows for name, rows in whole.items() if isinstance(rows, list) or name == "evidence"}
    return {name: more for name, rows in lists.items() if (more := len(rows) - len(page[name])) > 0}
