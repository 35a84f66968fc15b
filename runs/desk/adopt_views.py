"""Adopt one difference, or all that a run found, from the run's page, after a confirmation on a page of its own."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from hosts import sidebyside
from runs import adopting, lacking
from runs.desk import run_page
from runs.desk.access import needs, who
from runs.desk.action_views import refusals_answered, refused
from runs.desk.shown import Shown, first
from runs.machine import HELD, LIVE, State
from runs.models import Run
from runs.wording import formatting

_STAGE = State.SPEC_VALIDATE


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@needs("runs.adopt_run")
@refusals_answered
def adopt(request: HttpRequest, run_id: int) -> HttpResponse:
    """Show the confirmation (GET) or adopt (POST). `path` names one difference; without it all are adopted."""
    run = run_page.load(run_id)
    path = (request.POST if request.method == "POST" else request.GET).get("path", "")
    if reason := adopting.why_not(run, path):
        return refused(request, reason, run_id)
    if request.method != "POST":
        return render(request, "runs/adopt.html", _confirmation(run, path))
    has_no = [] if path else request.POST.getlist("has_no")
    if reason := lacking.why_not(run, has_no):
        return refused(request, reason, run_id)
    notes = first(adopting.adopt(run, path, who(request), has_no))
    what = formatting.spec_place(path) if path else "everything"
    messages.success(request, f"{run.host} is now expected to be as it was found: {what}.")
    for sentence in [*notes.rows, *([f"and {notes.more} more ports"] if notes.more else [])]:
        messages.info(request, sentence)
    return redirect(run)


def _confirmation(run: Run, path: str) -> dict[str, Any]:
    """What the page shows before anything is adopted."""
    differences = [row for row in adopting.still_open(run) if path in ("", row.path)]
    lacks = [] if path else lacking.of(run)
    ticked = [lack.topic for lack in lacks if not lack.doubt]
    return {
        "run": run,
        "path": path,
        "differences": first(differences),
        "parts": _parts(run) if adopting.lacks_spec(run) else [],
        "lacks": lacks,
        "changed_lines": first(adopting.preview(run, path, ticked)) if run.host.expected else None,
        "notes": first(adopting.notes(run, path)),
        "judged_again": run.state in LIVE | HELD,
        "stage": _STAGE,
    }


def _parts(run: Run) -> list[tuple[str, Shown[sidebyside.Line]]]:
    """For a host without a spec: the title of each kind of part, and what will be expected of it."""
    return [(section.title, first(section.lines)) for section in sidebyside.sections({}, adopting.proposal(run))]
