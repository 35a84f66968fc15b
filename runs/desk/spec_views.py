"""The page that shows everything a run found next to the expected spec."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from hosts import expectations, found_parts, sidebyside
from runs import adopting
from runs.desk import run_page
from runs.desk.access import needs
from runs.desk.shown import Shown, first
from runs.models import Run, RunEvent, SpecDiff


@dataclass(frozen=True)
class Row:
    """A line with its reported difference, if any. `word` is `same`, `differs` (present, but some values differ),
    `unchecked`, or empty."""

    line: sidebyside.Line
    difference: SpecDiff | None
    word: str


@dataclass(frozen=True)
class Part:
    title: str
    stated: bool
    rows: Shown[Row]
    told: int


@require_safe
@never_cache
@needs()
def spec(request: HttpRequest, run_id: int) -> HttpResponse:
    run = run_page.load(run_id)
    told = {row.path: row for row in adopting.shown(run)}
    sections = []
    if run.inventory is not None:
        sections = sidebyside.sections(run.expected, found_parts.as_spec(run.inventory))
    parts = [_part(section, told) for section in sections]
    shown = {row.difference.pk for part in parts for row in part.rows.rows if row.difference}
    context = {
        "run": run,
        "host": run.host,
        "parts": parts,
        "elsewhere": first([row for row in told.values() if row.pk not in shown]),
        "open_count": len(adopting.still_open(run)),
        "is_changed_since": adopting.is_changed_since(run),
        "compares": expectations.names_parts(run.expected),
        "lacks_spec": adopting.lacks_spec(run),
        "not_expected": (run.expected or {}).get("not_expected") or [],
        "pinned": (run.expected or {}).get("pinned") or [],
        "adoptions": adoptions(run),
    }
    return render(request, "runs/spec.html", context)


def adoptions(run: Run) -> list[RunEvent]:
    """What was adopted for this host, newest first."""
    events = RunEvent.objects.filter(run__host_id=run.host_id, kind="adopted").select_related("run")
    return list(events.only("at", "who", "text", "run__id").order_by("-id")[:30])


def _part(section: sidebyside.Section, told: dict[str, SpecDiff]) -> Part:
    rows = [Row(line, told.get(line.path), _word(section, line)) for line in section.lines]
    return Part(section.title, section.stated, first(rows), sum(row.difference is not None for row in rows))


def _word(section: sidebyside.Section, line: sidebyside.Line) -> str:
    if line.leaf and line.expected is not None:
        return "same" if line.expected == line.found else ""
    if line.leaf or not section.stated:
        return "unchecked"
    if line.expected is None or line.found is None:
        return ""
    return "differs" if any(other.leaf and other.part == line.part for other in section.lines) else "same"
