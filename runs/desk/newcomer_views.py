"""The machines that asked for network boot and are no hosts, and their registration."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from hosts import bounds
from hosts.models import Host
from runs import registering
from runs.bench import newcomers as asking
from runs.desk import shown
from runs.desk.access import needs, require, who
from runs.desk.action_views import refusals_answered
from runs.desk.request_numbers import whole_number


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@needs()
@refusals_answered
def newcomers(request: HttpRequest) -> HttpResponse:
    """List them (GET), or register the one of `mac` with `host` (POST)."""
    if request.method == "POST":
        require(request, "runs.adopt_run")
        return _register(request, get_object_or_404(Host, name=request.POST.get("host", "")[:63]))
    hosts = shown.first(list(Host.objects.order_by("name").values_list("name", flat=True)[: bounds.SHOWN_ROWS.most]))
    return render(request, "runs/newcomers.html", {"newcomers": asking.since(), "hosts": hosts})


@require_POST
@never_cache
@needs("runs.adopt_run")
@refusals_answered
def register_mac(request: HttpRequest, name: str) -> HttpResponse:
    """Register `mac` with this host. `run` is the run from whose page it was asked."""
    return _register(request, get_object_or_404(Host, name=name))


def _register(request: HttpRequest, host: Host) -> HttpResponse:
    mac = registering.register(host, request.POST.get("mac", ""), who(request))
    messages.success(request, f"{mac} is one of {host.name}'s MAC addresses: it is answered when it asks again.")
    run = host.runs.filter(pk=whole_number(request.POST.get("run", "")) or 0).first()
    return redirect(run or host)
