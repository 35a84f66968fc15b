"""Runs of one host side by side."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from hosts.models import Host
from runs import comparing
from runs.access import operator_required


@require_safe
@never_cache
@operator_required
def compare(request: HttpRequest, name: str) -> HttpResponse:
    """`?run=12&run=15`: these runs; without any, the newest and the last that passed."""
    host = get_object_or_404(Host, name=name)
    wanted = request.GET.getlist("run")
    if wrong := [text for text in wanted if not (text.isdecimal() and len(text) < 19)]:
        return HttpResponseBadRequest(f"run is {wrong[0][:40]!r}: give the number of a run, as in ?run=12&run=15")
    choice = comparing.comparable(host)
    run_ids = [int(text) for text in wanted] or [run.pk for run in comparing.suggested(choice)]
    shown = comparing.compare(host, run_ids)
    chosen = [run.pk for run in shown.runs]
    context = {"host": host, "choice": choice, "shown": shown, "chosen": chosen, "most": comparing.MAX_RUNS}
    return render(request, "runs/compare.html", context)
