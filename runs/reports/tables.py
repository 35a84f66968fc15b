"""A report's findings, parts and measurements as tables: a line of headings, one row each, safe to open in a
spreadsheet. CSV is UTF-8. Columns are added at the end only."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from typing import Any

import tablib

from hosts.formats import as_text
from hosts.parts import LISTS
from runs.reports import stage_rows
from runs.reports.stage_rows import Document

_RUN = ("run", "host", "verdict")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")  # XLSX can't have them
FINDINGS = (
    *_RUN, "stage", "attempt", "counts", "at", "severity", "code", "component_kind", "component", "message", "value",
    "limit", "unit", "action",
)  # fmt: skip
PARTS = (
    *_RUN, "component_kind", "component", "serial", "manufacturer", "model", "firmware", "size_mb", "place", "blamed",
    "action", "why",
)  # fmt: skip
MEASUREMENTS = (*_RUN, "component_kind", "component", "name", "unit", "lowest", "mean", "highest", "count")


def findings(content: Document) -> bytes:
    """`counts` is false for findings of an earlier boot, which the verdict does not count."""
    return _csv(FINDINGS, _findings(content), content)


def parts(content: Document) -> bytes:
    """The parts of the inventory, and those that a finding names though the inventory lists none by this name."""
    return _csv(PARTS, _parts(content), content)


def measurements(content: Document) -> bytes:
    """One row for each sensor. `measurements RUN --csv` prints every single value."""
    return _csv(MEASUREMENTS, content["measurements"], content)


def _findings(content: Document) -> Iterator[Document]:
    for stage in content["stages"]:
        counted = [one["attempt"] for one in stage_rows.that_count(stage)] if stage["attempts"] else []
        for attempt in stage["attempts"]:
            told = {"stage": stage["name"], "attempt": attempt["attempt"], "counts": attempt["attempt"] in counted}
            yield from ({**finding, **told} for finding in attempt["findings"])


def _parts(content: Document) -> Iterator[Document]:
    named = {(part["component_kind"], part["component"].lower()): part for part in content.get("parts") or []}
    for kind in LISTS.values():
        for part in kind.within(content["inventory"] or {}) or []:
            if name := kind.name(part):
                told = named.pop((kind.word, name.lower()), {"action": "none", "blamed": False})
                yield {**told, **_part(part), "component_kind": kind.word, "component": name}
    yield from named.values()


def _part(part: Document) -> Document:
    return {
        "serial": part.get("serial") or part.get("mac") or part.get("uuid") or part.get("guid"),
        "manufacturer": part.get("manufacturer"),
        "model": part.get("model") or part.get("part"),
        "firmware": part.get("firmware"),
        "size_mb": part.get("size_mb"),
        "place": part.get("locator") or part.get("pci") or part.get("slot") or part.get("name"),
    }


def workbook(content: Document) -> bytes:
    """The three tables as the sheets of one XLSX file."""
    sheets = (
        tablib.Dataset(*_rows(columns, rows, content), headers=columns, title=title)
        for title, columns, rows in (
            ("Findings", FINDINGS, _findings(content)),
            ("Parts", PARTS, _parts(content)),
            ("Measurements", MEASUREMENTS, content["measurements"]),
        )
    )
    book: bytes = tablib.Databook(sheets).export("xlsx")
    return book


def _csv(columns: Sequence[str], rows: Iterable[Document], content: Document) -> bytes:
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(_rows(columns, rows, content))
    return out.getvalue().encode("utf-8", "replace")


def _rows(columns: Sequence[str], rows: Iterable[Document], content: Document) -> Iterator[list[Any]]:
    of_run = {"run": content["run"]["id"], "host": content["host"]["name"], "verdict": content["verdict"]["result"]}
    return ([_cell({**row, **of_run}.get(name)) for name in columns] for row in rows)


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, int | float) else as_text(_CONTROL.sub("\ufffd", str(value)))
