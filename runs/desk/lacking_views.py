"""Say that a host has none of what its run could not test, after a confirmation on a page of its own."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from runs import adopting, lacking
from runs.desk import run_page
from runs.desk.access import needs, who
from runs.desk.action_views import refusals_answered, refused
from runs.desk.shown import first
from runs.machine import HELD
from runs.wording import naming


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@needs("runs.adopt_run")
@refusals_answered
def not_there(request: HttpRequest, run_id: int) -> HttpResponse:
    """Show the confirmation (GET) or say it (POST, `has_no` once for each topic). `topic` is the one that is ticked;
    without it, those against which nothing speaks."""
    run = run_page.load(run_id)
    if request.method == "POST":
        topics = request.POST.getlist("has_no")
        if reason := lacking.why_not(run, topics):
            return refused(request, reason, run_id)
        adopting.say_not_there(run, topics, who(request))
        words = ", ".join(map(naming.topic_in_words, topics))
        messages.success(request, f"{run.host} is not tested for these any more: {words}.")
        return redirect(run)
    lacks, wanted = lacking.of(run), request.GET.get("topic", "")
    if not lacks:
        why = f"Nothing in run {run.pk} was left untested because {run.host} may lack a sensor or part."
        return refused(request, why, run_id)
    if reason := lacking.why_not(run, [wanted] if wanted else []):
        return refused(request, reason, run_id)
    ticked = [wanted] if wanted else [lack.topic for lack in lacks if not lack.doubt]
    context = {
        "run": run,
        "lacks": lacks,
        "wanted": wanted,
        "changed_lines": first(adopting.preview_of_lack(run, ticked)),
        "judged_again": run.state in HELD,
    }
    return render(request, "runs/not_there.html", context)
