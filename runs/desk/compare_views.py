"""Runs of one host side by side."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from hosts.models import Host
from runs.desk import comparing
from runs.desk.access import needs
from runs.desk.request_numbers import not_understood, whole_number


@require_safe
@never_cache
@needs()
def compare(request: HttpRequest, name: str) -> HttpResponse:
    """`?run=12&run=15` compares these runs; without any, the newest run and the last one that passed."""
    host = get_object_or_404(Host, name=name)
    wanted = request.GET.getlist("run")
    numbers = [whole_number(text) for text in wanted]
    if wrong := [text for text, number in zip(wanted, numbers, strict=True) if number is None]:
        return not_understood(f"run is {wrong[0][:40]!r}: give the number of a run, as in ?run=12&run=15")
    choice = comparing.comparable(host)
    run_ids = [number for number in numbers if number is not None] or [run.pk for run in comparing.suggested(choice)]
    shown = comparing.compare(host, run_ids)
    chosen = [run.pk for run in shown.runs]
    context = {"host": host, "choice": choice, "shown": shown, "chosen": chosen, "most": comparing.MAX_RUNS}
    return render(request, "runs/compare.html", context)
